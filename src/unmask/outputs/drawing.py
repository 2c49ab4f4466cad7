"""A picture with its faces marked: a box, and a label with the expression and its confidence."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, suggest
from unmask.outputs.layout import place_labels
from unmask.outputs.palette import BLACK, WHITE, Colour, face_colour, ink
from unmask.outputs.sink import disk_errors
from unmask.outputs.text import percent, verdict
from unmask.readings import Box, Face, Reading

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_SMALLEST_TEXT = 10
"""Pixels; below this the embedded font cannot be read."""

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


def draw(image: NDArray[np.uint8], reading: Reading, *, max_side: int | None = None) -> NDArray[np.uint8]:
    """The picture with a box and a label for each face.

    An abstention has a thin, dashed, grey box and its reason. Line and text sizes follow the picture and its faces. A picture
    too small for text keeps its boxes and goes without labels.

    Parameters
    ----------
    image
        uint8, RGB ``(H, W, 3)`` or grey ``(H, W)``; not changed.
    reading
        Of this picture, with its width and height.
    max_side
        Shrink a larger picture until its longer side has this many pixels, before the marks are drawn, so that they stay
        legible.

    Returns
    -------
    uint8 RGB ``(H, W, 3)``.

    Raises
    ------
    ValueError
        The image is not of the reading's size, or of another dtype or shape.
    """
    from PIL import Image, ImageDraw

    if image.dtype != np.uint8 or image.shape not in (
        (reading.height, reading.width),
        (reading.height, reading.width, 3),
    ):
        raise ValueError(
            f"{reading.source}: expected uint8 ({reading.height}, {reading.width}[, 3]), got {image.dtype} {image.shape}"
        )
    canvas: Image.Image = Image.fromarray(image).convert("RGB")
    scale = min(1.0, max_side / max(canvas.size)) if max_side else 1.0
    if scale < 1:
        canvas = canvas.resize((max(1, round(canvas.width * scale)), max(1, round(canvas.height * scale))))
    boxes = [_scaled(face.box, scale) for face in reading.faces]
    pen = ImageDraw.Draw(canvas)
    line = max(1, round(max(canvas.size) / 500))
    for box, face in zip(boxes, reading.faces, strict=True):
        _draw_box(pen, box, face, line)
    _draw_labels(pen, canvas, boxes, reading.faces, line)
    return np.asarray(canvas).copy()


def save_annotated(image: NDArray[np.uint8], reading: Reading, path: Path) -> None:
    """Write :func:`draw`'s picture as JPEG or PNG, by the suffix of ``path``.

    Raises
    ------
    ConfigError
        Another suffix.
    InputError
        The file cannot be written.
    ValueError
        As for :func:`draw`.
    """
    from PIL import Image

    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise ConfigError(f"{path}: annotated pictures are JPEG or PNG; {suggest(suffix, _FORMATS)}")
    with disk_errors(path):
        # Full colour resolution: JPEG's usual halving smears thin coloured lines.
        Image.fromarray(draw(image, reading)).save(path, format=_FORMATS[suffix], quality=92, subsampling=0)


def _scaled(box: Box, scale: float) -> Box:
    return Box(*(scale * value for value in box.to_json()))


def _draw_box(pen: ImageDraw, box: Box, face: Face, line: int) -> None:
    """A coloured line between two of the opposite lightness, so that it stands out on any background."""
    colour = face_colour(face)
    abstained = face.expression is None
    width = max(1, line // 2) if abstained else line
    x1, y1, x2, y2 = (round(value) for value in box.to_json())
    corners = [(x1, y1), (x2 - 1, y1), (x2 - 1, y2 - 1), (x1, y2 - 1), (x1, y1)]
    halo = max(1, line // 2)
    if abstained:
        for start, end in pairwise(corners):
            _draw_dashes(pen, start, end, colour, width, dash=4 * line)
        return
    pen.rectangle((x1 - halo, y1 - halo, max(x2 - 1, x1) + halo, max(y2 - 1, y1) + halo), outline=ink(colour), width=halo)
    pen.rectangle((x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)), outline=colour, width=width)
