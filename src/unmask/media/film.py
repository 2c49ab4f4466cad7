"""Frames of a film or stream with their exact times, one at a time: memory does not depend on its length."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError, LimitError, UnmaskError
from unmask.images import MAX_PIXELS, Image, file_format
from unmask.media.base import Failure, Frame
from unmask.media.clock import Clock
from unmask.media.container import film_errors, opened, picture_track, pyav, stamp
from unmask.media.counting import FrameCounter, begins_anew
from unmask.media.span import WHOLE, Sieve, Span

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

SEEK_AHEAD_S = 10
"""Seconds to the next wanted frame from which on it is sought, not reached by decoding what lies between."""

_LATEST_S = 10**9  # no film is longer, and FFmpeg counts ticks in 64 bits
_SEEK_MARGINS_S = (0, 4)  # before the wanted time; then from the start
_WITHOUT_INDEX = ("mpegts", "mpeg")  # formats of which whole files may be put together byte by byte
_DURATION = re.compile(r"(\d{1,5}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)  # anybody may write anything into a tag
_SHORT_S = Fraction(1, 2)  # a film that ends earlier than it says by more than this has been cut short


def film_frames(
    content: Path | str, span: Span = WHOLE, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> Generator[Frame | Failure, None, None]:
    """Frames of a film file, or of the stream at an address, in the order of their times.

    Times are exact: presentation stamp times time base, as ``ffprobe`` prints them (so a film may begin after zero).
    Films of variable frame rate keep their times, and turned or mirrored films are as players show them. Where the
    clock begins anew within a film, the times go on from there. The index of a frame is its number in the whole film,
    also after seeking. Never raises: a film that is damaged or cut short gives the frames that it has,
    and then a Failure with the reason.

    Parameters
    ----------
    content
        A path; a text is an address, which FFmpeg opens over the network.
    span
        Which frames; seeks where that saves decoding. Of a stream, whose clock may stand anywhere, its times count from
        the first frame.
    name
        What frames and messages call it.
    max_pixels
        Of a frame; one with more is a Failure.
    """
    name = str(content) if name is None else name
    try:
        with ExitStack() as stack:
            film = _Film(content, name, stack, max_pixels=max_pixels)
            yield from film.frames(span)
            film.check(span)
    except UnmaskError as error:
        yield Failure(name, _no_film(content, name) or error)


def _no_film(content: Path | str, name: str) -> InputError | None:
    """The error of a picture that has a film's ending, else None."""
    with suppress(OSError):
        if isinstance(content, Path) and content.is_file():
            kind = file_format(content)
            if kind is not None:
                return InputError(f"{name}: is a picture ({kind}) and no film; give it a picture's ending")
    return None


class _Film:
    """An open film: its decoder, and what went wrong on the way."""

    def __init__(self, content: Path | str, name: str, stack: ExitStack, *, max_pixels: int) -> None:
        self.name = name
        self._container: InputContainer = stack.enter_context(opened(content, name=name))
        self._track = picture_track(self._container, name=name)
        self._convert = _Converter(name, max_pixels)
        self._file = content if isinstance(content, Path) else None  # a stream cannot be sought in
        self._counter: FrameCounter | None = None
        self._stack = stack
        self._damaged = self._smeared = self._packets = 0  # places where decoding fails, and pictures that it mends
        self._sought = self._ended = self._reached = False
        self._latest: Fraction | None = None
        self._origin: Fraction | None = None  # from which a span's times count
        self._clock = Clock()
        self._lasts = Fraction(0)  # how long the latest frame is shown

    def frames(self, span: Span) -> Iterator[Frame]:
        """The frames of a span."""
        sieve = Sieve(span)
        wanted_s = span.start_s
        pictures, index = self._pictures_from(wanted_s)
        while True:
            sought_to = None
            for picture in pictures:
                time_s = self._time(picture)
                if index is None:
                    index = self._number_of(time_s)
                number, index = index, index + 1
                if self._origin is None:
                    self._origin = Fraction(0) if self._file is not None else time_s
                if span.ends_by(time_s - self._origin):
                    return
                # Also one that is not read: those after it are made from it. One before the wanted time may be marked
                # only because those from which it is made were jumped over.
                if picture.is_corrupt and (wanted_s is None or time_s - self._origin >= wanted_s):
                    self._smeared += 1
                if not sieve.passes(time_s - self._origin):
                    continue
                self._reached = True
                yield Frame(self._convert(picture), self.name, number, float(time_s))
                due_s = span.due_s(time_s)
                if due_s - time_s >= SEEK_AHEAD_S and self._can_seek():
                    sought_to = due_s
                    break
            if sought_to is None:
                self._ended = True
                return
            wanted_s = sought_to
            pictures, index = self._pictures_from(wanted_s)

    def check(self, span: Span) -> None:
        """Raises InputError when the film is damaged, or ends before the span or the time that it declares."""
        if self._latest is None and not self._sought and (self._damaged or self._ended):
            raise InputError(f"{self.name}: holds no frame that can be decoded; check that it plays elsewhere")
        faults = []
        if self._damaged:
            faults.append(f"damaged in {_counted(self._damaged, 'place')}, where frames may be missing")
        if self._smeared:
            faults.append(f"damaged in {_counted(self._smeared, 'frame')}, which may be smeared, as may those after")
        if not faults and self._ended and not self._reached and span.start_s is not None:
            raise span.missed(self.name, None if self._latest is None else self._latest - (self._origin or 0))
        if not faults and not self._ended and not self._reached and span.start_s is None and self._latest is not None:
            raise InputError(
                f"{self.name}: begins at {float(self._latest):.2f} s, not before the end, "
                f"{float(span.end_s or 0):g} s; choose a later --end"
            )
        declared = self._declared_end()
        if self._ended and declared is not None and (self._latest or 0) + self._lasts + _SHORT_S < declared:
            end_s = float(self._latest or 0)
            faults.append(f"cut short: its frames end at {end_s:.2f} s of {float(declared):.2f} s")
        if faults:
            raise InputError(f"{self.name}: {'; '.join(faults)}; what is there was read; copy the film anew")

    def _pictures_from(self, start: Fraction | None) -> tuple[Iterator[VideoFrame], int | None]:
        """Pictures from a time on or earlier, and the number of the first where it is known."""
        base = self._track.time_base
        if start is None or base is None or not self._can_seek():
            return self._decoded(), 0
        self._sought = True
        start = min(start, Fraction(_LATEST_S))
        for margin in _SEEK_MARGINS_S:
            with film_errors(self.name):
                self._container.seek(int((start - margin) / base), stream=self._track)
            self._clock.jump()
            pictures = self._decoded()
            first = next(pictures, None)
            # Some containers, such as MPEG-TS, find no key frame near the end of the film.
            if self._is_beyond(start) if first is None else self._time(first) <= start:
                break
        else:
            with film_errors(self.name):
                self._container.seek(self._track.start_time or 0, stream=self._track)
            self._clock.jump()
            pictures = self._decoded()
            first = next(pictures, None)
        return _chained(first, pictures), None

    def _can_seek(self) -> bool:
        """Whether a time can be sought: in a file, by its own clock, if that does not begin anew."""
        if self._file is None or self._clock.carried:
            return False
        return self._container.format.name not in _WITHOUT_INDEX or not self._begins_anew

    @cached_property
    def _begins_anew(self) -> bool:
        assert self._file is not None
        return begins_anew(self._file, self._track.index)

    def _is_beyond(self, time_s: Fraction) -> bool:
        """Whether the container says that it ends before a time."""
        if self._container.duration is None:
            return False
        return time_s > Fraction((self._container.start_time or 0) + self._container.duration, 1_000_000)

    def _number_of(self, time_s: Fraction) -> int:
        """The number of the frame at a time that was sought."""
        if self._counter is None:
            assert self._file is not None
            self._counter = FrameCounter(self._file, self._track.index)
            self._stack.callback(self._counter.close)
        return self._counter.before(time_s)

    def _decoded(self) -> Iterator[VideoFrame]:
        """Pictures from where the container stands, over damaged places, to the last one that the decoder holds."""
        av = pyav()
        packets = self._container.demux(self._track)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:
                self._damaged += 1
                break
            try:
                pictures = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            self._packets += packet.size > 0
            if packet.duration and packet.time_base:
                self._lasts = packet.duration * packet.time_base
            yield from pictures
        try:
            yield from self._track.decode(None)
        except av.error.FFmpegError:
            return

    def _time(self, picture: VideoFrame) -> Fraction:
        time_s = stamp(picture, picture.time_base)
        if time_s is None:  # a raw stream, which has pictures and no times
            rate = self._track.average_rate or Fraction(25)
            time_s = Fraction(0) if self._latest is None else self._latest + 1 / rate
        else:
            time_s = self._clock.time(time_s)
        self._latest = time_s
        return time_s

    def _declared_end(self) -> Fraction | None:
        """The end of the pictures, less one frame, as the film states it; None where it does not."""
        frames, rate = self._track.frames, self._track.average_rate
        if self._container.format.name == "avi" and not self._sought and rate:
            # Its duration is guessed from the file's size, so that only the number of frames tells.
            return frames / rate if self._packets < frames else None
        tag = self._track.metadata.get("DURATION")  # Matroska's, by track
        if tag and (stated := _DURATION.fullmatch(tag)):
            hours, minutes, seconds = map(Fraction, stated.groups())
            return 3600 * hours + 60 * minutes + seconds
        if "mov" in self._container.format.name and self._track.duration and self._track.time_base:
            gap = 1 / rate if rate else Fraction(0)
            return ((self._track.start_time or 0) + self._track.duration) * self._track.time_base - gap
        return None


class _Converter:
    """Decoded pictures to the image contract, upright."""

    def __init__(self, name: str, max_pixels: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._name, self._max_pixels = name, max_pixels
        self._reformatter = VideoReformatter()  # kept, because it is costlier than its work

    def __call__(self, picture: VideoFrame) -> Image:
        if picture.width * picture.height > self._max_pixels:
            raise LimitError(
                f"{self._name}: {picture.width} x {picture.height} pixels are more than {self._max_pixels:,}; make it "
                "smaller"
            )
        with film_errors(self._name):
            rgb = self._reformatter.reformat(picture, format="rgb24").to_ndarray()
        return np.ascontiguousarray(_upright(rgb, picture))


def _upright(pixels: NDArray[Any], picture: VideoFrame) -> NDArray[Any]:
    """Pixels as players show them: turned and mirrored, in whole quarters, as the picture's display matrix says."""
    try:
        matrix: Any = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside it lies something that this version of PyAV has no name for
        return np.rot90(pixels, round(picture.rotation / 90))
    if matrix is None:
        return pixels
    # From stored to shown places: x' = a x + c y, y' = b x + d y.
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
        yield from rest


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
