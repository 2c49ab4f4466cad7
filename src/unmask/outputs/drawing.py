"""A picture with its faces marked: a box, and a label with the expression and its confidence."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, suggest
from unmask.outputs.layout import place_labels
from unmask.outputs.text import verdict
from unmask.palette import Colour, face_colour, ink
from unmask.readings import Box, Face, Reading
from unmask.writing import disk_errors, percent

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_SMALLEST_TEXT = 12
"""Pixels; much below this the embedded font cannot be read."""

_DASH_DARK: Colour = (25, 25, 25)
_DASH_LIGHT: Colour = (250, 250, 250)

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


def draw(image: NDArray[np.uint8], reading: Reading, *, max_side: int | None = None) -> NDArray[np.uint8]:
    """The picture with a box and a label for each face.

    In a film the label begins with the person's number, in a picture of several faces with the face's, from 0, as in
    tables and rows. An abstention has a dashed, black and white box and its reason. Line
    and text sizes follow the picture and its faces. In a picture so small that text would hide it (under about 64
    pixels high) the boxes stand alone.

    Parameters
    ----------
    image
        uint8, RGB ``(H, W, 3)`` or grey ``(H, W)``; not changed.
    reading
        Of this picture, with its width and height.
    max_side
        Shrink a larger picture until its longer side has this many pixels, before the marks are drawn, so that they
        stay legible.

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
            f"{reading.source}: expected uint8 ({reading.height}, {reading.width}[, 3]), "
            f"got {image.dtype} {image.shape}"
        )
    canvas: Image.Image = Image.fromarray(image).convert("RGB")
    scale = min(1.0, max_side / max(canvas.size)) if max_side else 1.0
    if scale < 1:
        canvas = canvas.resize((max(1, round(canvas.width * scale)), max(1, round(canvas.height * scale))))
    boxes = [_near(_scaled(face.box, scale), *canvas.size) for face in reading.faces]
    pen = ImageDraw.Draw(canvas)
    line = _line_width(boxes, max(canvas.size))
    for box, face in zip(boxes, reading.faces, strict=True):
        _draw_box(pen, box, face, line)
    _draw_labels(pen, boxes, reading.faces, line)
    return np.asarray(canvas).copy()


def annotated_format(path: Path) -> str:
    """Pillow's name of the format that an annotated picture's suffix stands for. Raises ConfigError for others."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise ConfigError(f"{path}: annotated pictures are JPEG or PNG; {suggest(suffix, _FORMATS)}")
    return _FORMATS[suffix]


def save_annotated(image: NDArray[np.uint8], reading: Reading, path: Path, *, profile: bytes | None = None) -> None:
    """Write :func:`draw`'s picture as JPEG or PNG, by the suffix of ``path``.

    Parameters
    ----------
    profile
        ICC profile of the picture's colours: see :func:`unmask.images.colour_profile`.

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

    kind = annotated_format(path)
    with disk_errors(path):
        # Full colour resolution: JPEG's usual halving smears thin coloured lines.
        Image.fromarray(draw(image, reading)).save(path, format=kind, quality=92, subsampling=0, icc_profile=profile)


def _scaled(box: Box, scale: float) -> Box:
    return Box(*(scale * value for value in box.to_json()))


def _near(box: Box, width: int, height: int) -> Box:
    """A box as far as it can matter to a picture: where nobody sees it, nothing is drawn, however far it reaches."""
    x1, x2 = (min(max(x, -width), 2 * width) for x in (box.x1, box.x2))
    y1, y2 = (min(max(y, -height), 2 * height) for y in (box.y1, box.y2))
    return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))


def _draw_box(pen: ImageDraw, box: Box, face: Face, line: int) -> None:
    """Lines of two lightnesses side by side, just around the face, so that one stands out on any background."""
    thin = max(1, line // 2)
    if face.expression is None:
        _draw_dashes(pen, _around(box, line), line, dash=5 * line)
        return
    colour = face_colour(face)
    pen.rectangle(_around(box, line + 2 * thin), outline=ink(colour), width=line + 2 * thin)
    pen.rectangle(_around(box, line + thin), outline=colour, width=line)


def _around(box: Box, margin: int) -> tuple[int, int, int, int]:
    """Outermost pixels of a frame ``margin`` pixels thick around a half-open box."""
    x1, y1, x2, y2 = (round(value) for value in box.to_json())
    return x1 - margin, y1 - margin, max(x1, x2 - 1) + margin, max(y1, y2 - 1) + margin


def _draw_dashes(pen: ImageDraw, frame: tuple[int, int, int, int], width: int, dash: int) -> None:
    x1, y1, x2, y2 = frame
    pen.rectangle(frame, outline=_DASH_DARK, width=width)
    for x in range(x1, x2, 2 * dash):
        for y in (y1, y2 - width + 1):
            pen.rectangle((x, y, min(x + dash - 1, x2), y + width - 1), fill=_DASH_LIGHT)
    for y in range(y1, y2, 2 * dash):
        for x in (x1, x2 - width + 1):
            pen.rectangle((x, y, x + width - 1, min(y + dash - 1, y2)), fill=_DASH_LIGHT)


def _draw_labels(pen: ImageDraw, boxes: Sequence[Box], faces: Sequence[Face], line: int) -> None:
    width, height = pen.im.size
    size = _text_size(boxes, max(width, height))
    font, pad = _font(size), max(2, size // 4)
    high = round(1.1 * size) + pad
    numbers = [number if face.track_id is None else face.track_id for number, face in enumerate(faces)]
    names = ["" if len(faces) == 1 and faces[0].track_id is None else f"{number}: " for number in numbers]
    room = width - 2 * pad if 4 * high <= height else 0
    texts = [_wording(face, name, font, room) for face, name in zip(faces, names, strict=True)]
    shown = [number for number, text in enumerate(texts) if text]
    sizes = [(round(font.getlength(texts[number])) + 2 * pad, high) for number in shown]
    slots = place_labels([boxes[number] for number in shown], sizes, width, height, gap=2 * line)
    for number, slot in zip(shown, slots, strict=True):
        colour = face_colour(faces[number])
        corner = (slot.x + slot.width - 1, slot.y + slot.height - 1)
        pen.rounded_rectangle((slot.x, slot.y, *corner), radius=pad, fill=colour, outline=ink(colour))
        middle = (slot.x + slot.width / 2, slot.y + slot.height / 2)
        pen.text(middle, texts[number], fill=ink(colour), font=font, anchor="mm")


def _line_width(boxes: Sequence[Box], picture: int) -> int:
    """Pixels; see ``_text_size``."""
    return max(1, round(min(max(_usual_side(boxes) / 30, picture / 700), picture / 150)))


def _text_size(boxes: Sequence[Box], picture: int) -> int:
    """Pixels, for faces in the middle of the range of sizes, within what suits the picture's longer side."""
    return max(_SMALLEST_TEXT, round(min(max(_usual_side(boxes) / 6, 0.011 * picture), 0.03 * picture)))


def _usual_side(boxes: Sequence[Box]) -> float:
    return statistics.median(box.side for box in boxes) if boxes else 0.0


def _wording(face: Face, name: str, font: FreeTypeFont | ImageFont, room: int) -> str:
    """The longest wording of a face's label that fits into ``room`` pixels, or nothing; its name, if any, first."""
    reading = verdict(face)
    full = reading if face.expression is None else f"{reading} {percent(face.confidence)}"
    return next((text for text in (name + full, name + reading, reading) if font.getlength(text) <= room), "")


@lru_cache(maxsize=8)
def _font(size: int) -> FreeTypeFont | ImageFont:
    """Pillow's embedded font: it works offline and looks the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
