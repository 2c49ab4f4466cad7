"""What goes into the reader: frames, and failures in the place of what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from unmask.errors import ConfigError, UnmaskError
from unmask.images import Image

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of this machine, by its number: the first is 0."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A film that comes over a network. Only what the user names as such is ever reached for.

    Parameters
    ----------
    address
        With its protocol: ``rtsp://``, ``https://`` and so on.
    """

    address: str


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """Pictures that are the frames of one film, in natural order.

    Parameters
    ----------
    source
        Their folder or glob.
    fps
        Pictures a second.

    Raises
    ------
    ConfigError
        A rate that is not above zero.
    """

    source: str
    fps: Fraction

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ConfigError(f"{float(self.fps)} pictures a second: expected a rate above 0")


Source: TypeAlias = str | Path | bytes | NDArray[Any] | Camera | Stream | ImageSequence
"""Path of a picture, film or folder, glob, ``-`` for standard input, the bytes of a picture, an array, a camera, the
address of a stream (as text too), or pictures that are the frames of a film."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture in time.

    Parameters
    ----------
    image
        As :mod:`unmask.images` says: ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``, upright.
    source
        Path of the file as text, or ``<stdin>``, ``<bytes N>``, ``<array N>``, ``<camera N>``.
    index
        Number of the frame in its source, from 0.
    time_s
        Presentation time of the frame in seconds; None for a still picture.
    """

    image: Image = field(repr=False)
    source: str
    index: int = 0
    time_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A source that cannot be read, wholly or from some point on, and why.

    Parameters
    ----------
    index
        Of the one frame that is missing, where others follow; else None.
    """

    source: str
    error: UnmaskError
    index: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """One thing to open.

    Parameters
    ----------
    name
        What its frames and messages call it.
    content
        A file, a file's bytes, an array, something that moves, or the error that stands in the place of what cannot
        be opened.
    """

    name: str
    content: Path | bytes | NDArray[Any] | Camera | Stream | ImageSequence | UnmaskError = field(repr=False)

    @property
    def moves(self) -> bool:
        """Whether it is a film: many frames, each with its time."""
        if isinstance(self.content, Path):
            return self.content.suffix.lower() in FILM_SUFFIXES
        return isinstance(self.content, (Camera, Stream, ImageSequence))

    @property
    def live(self) -> bool:
        """Whether its frames come as they are made, so that nobody may wait for the next."""
        return isinstance(self.content, (Camera, Stream))


FILM_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".ogv",
     ".3gp")
)  # fmt: skip
"""Endings, in lower case, of the files that are read as films."""
