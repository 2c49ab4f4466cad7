"""A film file or stream, opened through PyAV (FFmpeg) with what protects from hostile ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from unmask.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mp3,wav,flac,aac,h264,hevc,mpegvideo,ivf"
"""FFmpeg's formats that hold their own pictures: no playlist, which would send it to other files and addresses."""

_MISSING = "no such file; check the path"
_TIMEOUT_S = 20.0
"""Of a stream that falls silent."""

THREADS = 2
"""Of a decoder: each holds a frame of its own, so that their number bounds memory on large machines."""


def pyav() -> ModuleType:
    """The library. Raises MissingExtraError when it is not installed."""
    try:
        import av
    except ImportError:
        raise MissingExtraError("PyAV", "video") from None
    return av


@contextmanager
def film_errors(name: str) -> Iterator[None]:
    """Restate FFmpeg's errors as InputError naming the film."""
    av = pyav()
    try:
        yield
    except av.error.FFmpegError as error:
        raise InputError(f"{name}: {reason(error)}") from error


def reason(error: Any) -> str:
    """FFmpeg's error in words, with the next step."""
    text = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError):
        return _MISSING
    if isinstance(error, PermissionError):
        return "no permission to read it; change it with chmod"
    if "invalid data" in text:
        return "no film, or damaged or cut short so that its index is missing; copy it anew"
    return f"cannot be read ({text}); check that it plays elsewhere"


@contextmanager
def opened(content: Path | str, *, name: str) -> Iterator[InputContainer]:
    """A film file, or the address of a stream, open for reading.

    Raises
    ------
    InputError
        It cannot be opened.
    MissingExtraError
        PyAV is not installed.
    """
    if isinstance(content, Path) and _is_missing(content):  # no library that might be installed would help
        raise InputError(f"{name}: {_MISSING}")
    if isinstance(content, Path) and content.is_file() and not content.stat().st_size:
        raise InputError(f"{name}: it has zero bytes; copy it anew")
    av = pyav()
    # A file that only pretends to be a film must not make FFmpeg reach for anything else.
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS} if isinstance(content, Path) else {}
    with film_errors(name):
        if isinstance(content, Path):
            container = av.open(local(content), options=options, metadata_errors="replace")
        else:
            container = av.open(content, timeout=_TIMEOUT_S, metadata_errors="replace")
    with container:
        yield container


def local(path: Path) -> str:
    """A path as FFmpeg takes it: from the root, since it holds what stands before a colon for a protocol."""
    return str(path.absolute())


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:  # there may be a file, behind a folder that is closed: FFmpeg says why it cannot be opened
        return False


def picture_track(container: InputContainer, *, name: str) -> VideoStream:
    """The first track of moving pictures, its decoder's threads set. Raises InputError where there is none."""
    track = next((one for one in container.streams.video if not _is_cover(one)), None)
    if track is None:
        raise InputError(f"{name}: no moving pictures in this file; name a film")
    track.thread_type = "AUTO"
    track.thread_count = THREADS
    return track


def _is_cover(track: VideoStream) -> bool:
    """Whether it is the picture of an album's cover."""
    return "attached_pic" in str(track.disposition).lower()


def stamp(unit: Any, time_base: Fraction | None) -> Fraction | None:
    """Time of a packet or frame: of its presentation or, where the file gives none, of its decoding."""
    ticks = unit.dts if unit.pts is None else unit.pts
    return None if ticks is None or time_base is None else ticks * time_base
