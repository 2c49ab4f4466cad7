"""Readings as rows of a flat table: one row a face, and one row for a frame without a face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unmask.errors import DataError
from unmask.expressions import Expression
from unmask.readings import Face, Landmarks, Reading

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Column:
    """Name and type of a column; ``always`` says that it is filled also for a frame without a face."""

    name: str
    type: type[str] | type[int] | type[float]
    always: bool = False


_FRAME = (
    Column("source", str, always=True),
    Column("index", int, always=True),
    Column("time_s", float),
    Column("width", int, always=True),
    Column("height", int, always=True),
    Column("model", str, always=True),
)
_FACE = (
    Column("face", int),
    *(Column(name, float) for name in ("x1", "y1", "x2", "y2", "detection_score")),
    Column("track_id", int),
    Column("expression", str),
    Column("confidence", float),
    Column("abstained", str),
)
_QUALITY = tuple(Column(name, float) for name in ("size", "sharpness", "yaw", "pitch", "roll"))
_LANDMARKS = tuple(Column(f"{point}_{axis}", float) for point in Landmarks.__dataclass_fields__ for axis in ("x", "y"))


def columns(labels: Sequence[Expression]) -> tuple[Column, ...]:
    """The columns of a table for a model with these labels."""
    scores = (Column(f"score_{label}", float) for label in labels)
    return (*_FRAME, *_FACE, *scores, *_QUALITY, *_LANDMARKS)


def rows(reading: Reading, labels: Sequence[Expression]) -> Iterator[tuple[Cell, ...]]:
    """The rows of one frame, each as long as :func:`columns`; None where there is nothing to say.

    Faces are numbered from 0, in the reading's order. Raises DataError when a face has scores for other labels.
    """
    frame = (reading.source, reading.index, reading.time_s, reading.width, reading.height, reading.model)
    for number, face in enumerate(reading.faces):
        if set(face.scores) != set(labels):
            raise DataError(
                f"{reading.source}: expected scores for {', '.join(labels)}; got {', '.join(face.scores)}; "
                "write the readings of different models to different files"
            )
        yield (*frame, number, *_face_cells(face, labels))
    if not reading.faces:
        yield (*frame, *[None] * (len(columns(labels)) - len(frame)))


def _face_cells(face: Face, labels: Sequence[Expression]) -> Iterator[Cell]:
    yield from face.box.to_json()
    yield from (face.detection_score, face.track_id)
    yield from (face.expression, face.confidence, face.abstained)
    yield from (face.scores[label] for label in labels)
    yield from [None] * len(_QUALITY) if face.quality is None else face.quality.to_json().values()
    points = [(None, None)] * 5 if face.landmarks is None else face.landmarks.points
    yield from (coordinate for point in points for coordinate in point)
