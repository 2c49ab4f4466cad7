"""What goes into the reader: frames, and failures in the place of what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from unmask.errors import UnmaskError
from unmask.images import Image

Source: TypeAlias = str | Path | bytes | NDArray[Any]
"""Path of a picture or folder, glob, ``-`` for standard input, the bytes of a picture, or an array."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture in time.

    Parameters
    ----------
    image
        As :mod:`unmask.images` says: ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``, upright.
    source
        Path of the file as text, or ``<stdin>``, ``<bytes N>``, ``<array N>``.
    index
        Number of the frame in its source, from 0.
    time_s
        Time of the frame in seconds; None for a still picture.
    """

    image: Image = field(repr=False)
    source: str
    index: int = 0
    time_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A source that cannot be read, and why."""

    source: str
    error: UnmaskError


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """One thing to open.

    Parameters
    ----------
    name
        What its frames and messages call it.
    content
        A file, a file's bytes, an array, or the error that stands in the place of what cannot be opened.
    """

    name: str
    content: Path | bytes | NDArray[Any] | UnmaskError = field(repr=False)
