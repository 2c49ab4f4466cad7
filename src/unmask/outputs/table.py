"""A table for people at a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from unmask.expressions import Expression
from unmask.outputs.base import Writer
from unmask.outputs.sink import TextSink
from unmask.outputs.text import face_count, frame_name, verdict
from unmask.readings import Abstention, Box, Face, Reading
from unmask.writing import hundredths

_VERDICT_WIDTH = max(len(word) for word in (*Expression, *(f"({reason})" for reason in Abstention)))


class TableWriter(Writer):
    """A heading for each frame and a line for each face, at most 100 columns wide for eight labels.

    A line begins with the person's number in a film, and else with the face's in its frame, from 0.
    On a terminal that wants colour (``NO_COLOR`` unset, ``TERM`` not ``dumb``) headings and top scores are bold.
    """

    def __init__(self, target: TextIO | Path, *, labels: Sequence[Expression], append: bool = False) -> None:
        self._labels = tuple(labels)
        self._sink = TextSink(target)
        self._bold = _wants_colour(self._sink.stream)
        self._headed = False

    def write(self, reading: Reading) -> None:
        if reading.faces and not self._headed:
            self._line(_columns_line(self._labels))
            self._headed = True
        self._line(
            self._strong(frame_name(reading))
            + f", {reading.width} x {reading.height}, {face_count(len(reading.faces))}"
        )
        for number, face in enumerate(reading.faces):
            self._line(self._face_line(number if face.track_id is None else face.track_id, face))

    def close(self) -> None:
        self._sink.close()

    def _line(self, text: str) -> None:
        self._sink.write(text.rstrip() + "\n")

    def _face_line(self, number: int, face: Face) -> str:
        shares = (face.scores.get(label) for label in self._labels)
        cells = [
            self._strong(_score_cell(share)) if share == face.confidence else _score_cell(share) for share in shares
        ]
        named = f"{verdict(face):{_VERDICT_WIDTH}}"
        if face.expression is not None:
            named = self._strong(named)
        return f"{number:4}  {_box_cell(face.box)}  {named} {hundredths(face.confidence, 1):>5}% {''.join(cells)}"

    def _strong(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._bold else text


def _columns_line(labels: Sequence[Expression]) -> str:
    scores = "".join(f" {label[:3]:>4}" for label in labels)
    return f"{'face':4}  {'x':>4} {'y':>4} {'w':>4} {'h':>4}  {'expression':{_VERDICT_WIDTH}} {'top':>6} {scores}"


def _box_cell(box: Box) -> str:
    return " ".join(f"{value:4.0f}" for value in (box.x1, box.y1, box.width, box.height))


def _score_cell(share: float | None) -> str:
    return "     " if share is None else f" {hundredths(share):>3}%"


def _wants_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
