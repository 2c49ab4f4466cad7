"""The words that the table, the drawing and the report share."""

from __future__ import annotations

from unmask.readings import Face, Reading
from unmask.writing import printable

MEANING = "A score says how people tend to label a face that looks like this one, not what the person feels."
"""Stands wherever scores are shown to people who did not ask for them."""


def verdict(face: Face) -> str:
    """The expression, or in brackets the reason for naming none."""
    return str(face.expression) if face.expression is not None else f"({face.abstained})"


def frame_name(reading: Reading) -> str:
    """What a frame is called: its source and, in a film, its number and time in seconds."""
    name = printable(reading.source)
    return name if reading.time_s is None else f"{name}, frame {reading.index}, {reading.time_s:.3f} s"


def face_count(count: int) -> str:
    """``no face``, ``1 face``, ``2 faces``."""
    return f"{count or 'no'} face{'s' if count > 1 else ''}"
