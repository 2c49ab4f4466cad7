"""What a reading is made of: frozen, validated value types, to and from JSON.

::

    Reading            one frame: where it comes from, its size, the model, its faces (possibly none)
    └── Face           one face: box, landmarks, quality, scores, and an expression or the reason for abstaining

All coordinates are pixels of the source picture as displayed (its orientation flag applied), x to the right, y down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from reprlib import repr as short
from typing import Any

from unmask.errors import DataError
from unmask.expressions import Expression
from unmask.parsing import is_finite, parse_json

SCORE_FLOOR = 1e-6
"""No score is written smaller than this: a model that has never seen a face like it cannot be surer."""

_SCORE_DIGITS = 6


class Abstention(StrEnum):
    """Why a face gets scores and no expression."""

    TOO_SMALL = "too small"
    BLURRED = "blurred"
    TURNED_AWAY = "turned away"
    LOW_CONFIDENCE = "low confidence"
    AMBIGUOUS = "ambiguous"


def _finite(what: str, *values: float) -> None:
    for value in values:
        if not is_finite(value):
            raise DataError(f"{what}: expected finite numbers, got {short(value)}")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in source pixels, half open: ``x1 <= x < x2``. It may reach beyond the picture.

    Raises
    ------
    DataError
        A coordinate is not finite, or the box is empty.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        _finite("box", self.x1, self.y1, self.x2, self.y2)
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise DataError(f"box: expected x1 < x2 and y1 < y2, got {self.to_json()}")

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def side(self) -> float:
        """The shorter side, which is what "face size" means everywhere in unmask."""
        return min(self.width, self.height)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        wide = min(self.x2, other.x2) - max(self.x1, other.x1)
        high = min(self.y2, other.y2) - max(self.y1, other.y1)
        common = max(0.0, wide) * max(0.0, high)
        return common / (self.width * self.height + other.width * other.height - common)

    def to_json(self) -> list[float]:
        return [self.x1, self.y1, self.x2, self.y2]

    @classmethod
    def from_json(cls, value: Any) -> Box:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
            raise DataError(f"box: expected [x1, y1, x2, y2], got {short(value)}")
        return cls(*value)


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points of a face in source pixels; left and right as the viewer sees them.

    Raises
    ------
    DataError
        A coordinate is not finite.
    """

    left_eye: Point
    right_eye: Point
    nose: Point
    mouth_left: Point
    mouth_right: Point

    def __post_init__(self) -> None:
        for x, y in self.points:
            _finite("landmarks", x, y)

    @property
    def points(self) -> tuple[Point, Point, Point, Point, Point]:
        """The five points in the order of the fields."""
        return self.left_eye, self.right_eye, self.nose, self.mouth_left, self.mouth_right

    def to_json(self) -> list[list[float]]:
        return [[x, y] for x, y in self.points]

    @classmethod
    def from_json(cls, value: Any) -> Landmarks:
        try:
            points = [(x, y) for x, y in value]
            return cls(*points)
        except (TypeError, ValueError):
            raise DataError(f"landmarks: expected five [x, y], got {short(value)}") from None


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be seen.

    Parameters
    ----------
    size
        Shorter side of the box, in source pixels.
    sharpness
        Variance of the Laplacian of the aligned crop over its grey variance; about 0.02 is blurred.
    yaw, pitch, roll
        Turn of the head in degrees, estimated from the five landmarks; None without landmarks. Yaw is positive when the
        face looks to the viewer's right, pitch when it looks down, roll when it leans clockwise.
    """

    size: float
    sharpness: float
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None

    def __post_init__(self) -> None:
        angles = (angle for angle in (self.yaw, self.pitch, self.roll) if angle is not None)
        _finite("quality", self.size, self.sharpness, *angles)

    def to_json(self) -> dict[str, float | None]:
        return {
            "size": self.size,
            "sharpness": self.sharpness,
            "yaw": self.yaw,
            "pitch": self.pitch,
            "roll": self.roll,
        }

    @classmethod
    def from_json(cls, value: Any) -> Quality:
        try:
            angles = {name: value.get(name) for name in ("yaw", "pitch", "roll")}
            return cls(size=value["size"], sharpness=value["sharpness"], **angles)
        except (AttributeError, KeyError, TypeError):
            raise DataError(f"quality: expected size, sharpness, yaw, pitch and roll, got {short(value)}") from None


def normalised_scores(labels: Sequence[Expression], probs: Sequence[float]) -> dict[Expression, float]:
    """Probabilities as the scores of a Face: at least 1e-6 each, six decimals, summing to 1, in label order."""
    floored = [max(float(p), SCORE_FLOOR) for p in probs]
    total = sum(floored)
    rounded = [max(round(p / total, _SCORE_DIGITS), SCORE_FLOOR) for p in floored]
    top = max(range(len(rounded)), key=rounded.__getitem__)
    rounded[top] = round(1.0 - sum(value for i, value in enumerate(rounded) if i != top), _SCORE_DIGITS)
    return dict(zip(labels, rounded, strict=True))


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a frame.

    Parameters
    ----------
    box
        Where it is.
    detection_score
        The detector's score, 0 to 1.
    scores
        Share of each expression, in the model's label order; sums to 1.
    expression
        The likeliest expression, or None when ``abstained`` says why there is none.
    abstained
        The reason for naming no expression.
    landmarks, quality, track_id
        Where the detector, the reader and the tracker give them.

    Raises
    ------
    DataError
        A score outside 0..1, scores that do not sum to 1, or both or neither of expression and reason.
    """

    box: Box
    detection_score: float
    scores: Mapping[Expression, float]
    expression: Expression | None
    abstained: Abstention | None = None
    landmarks: Landmarks | None = None
    quality: Quality | None = None
    track_id: int | None = None

    def __post_init__(self) -> None:
        _finite("detection_score", self.detection_score)
        _finite("scores", *self.scores.values())
        if not 0 <= self.detection_score <= 1:
            raise DataError(f"detection_score: expected 0 to 1, got {self.detection_score}")
        if len(self.scores) < 2 or min(self.scores.values()) < 0 or abs(sum(self.scores.values()) - 1) > 1e-3:
            raise DataError(f"scores: expected two or more shares that sum to 1, got {short(dict(self.scores))}")
        if (self.expression is None) == (self.abstained is None):
            raise DataError(
                f"expected an expression or a reason for abstaining, got {short(self.expression)} and "
                f"{short(self.abstained)}"
            )
        if self.expression is not None and self.expression not in self.scores:
            raise DataError(f"expression '{self.expression}' is not among the scores {list(self.scores)}")

    @property
    def confidence(self) -> float:
        """The highest score."""
        return max(self.scores.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "box": self.box.to_json(),
            "detection_score": self.detection_score,
            "landmarks": None if self.landmarks is None else self.landmarks.to_json(),
            "track_id": self.track_id,
            "expression": None if self.expression is None else str(self.expression),
            "confidence": self.confidence,
            "scores": {str(label): score for label, score in self.scores.items()},
            "abstained": None if self.abstained is None else str(self.abstained),
            "quality": None if self.quality is None else self.quality.to_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Face:
        """Raises DataError when a field is missing or wrong; unknown fields are ignored, so newer files can be read."""
        if not isinstance(value, Mapping):
            raise DataError(f"face: expected an object, got {short(value)}")
        try:
            landmarks, quality = value.get("landmarks"), value.get("quality")
            track_id = value.get("track_id")
            if track_id is not None and type(track_id) is not int:
                raise DataError(f"track_id: expected a whole number or null, got {short(track_id)}")
            return cls(
                box=Box.from_json(value["box"]),
                detection_score=value["detection_score"],
                scores={Expression(label): score for label, score in value["scores"].items()},
                expression=None if value["expression"] is None else Expression(value["expression"]),
                abstained=None if value["abstained"] is None else Abstention(value["abstained"]),
                landmarks=None if landmarks is None else Landmarks.from_json(landmarks),
                quality=None if quality is None else Quality.from_json(quality),
                track_id=track_id,
            )
        except KeyError as error:
            raise DataError(f"face: {error} is missing") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"face: {error}") from None


@dataclass(frozen=True, slots=True)
class Reading:
    """One frame, with all its faces; a frame without a face is a reading with ``faces == ()``.

    Parameters
    ----------
    source
        Path or name of the picture or film.
    width, height
        Of the frame as displayed, in pixels.
    model
        ``name@version`` of the model that read it.
    faces
        From left to right, by the middle of the box.
    index
        Number of the frame in its source, from 0.
    time_s
        Presentation time in seconds; None for a still picture.

    Raises
    ------
    DataError
        A size or index that cannot be.
    """

    source: str
    width: int
    height: int
    model: str
    faces: tuple[Face, ...] = field(default=())
    index: int = 0
    time_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", tuple(self.faces))
        if not isinstance(self.source, str) or not isinstance(self.model, str):
            raise DataError(
                f"reading: expected text as source and model, got {short(self.source)} and {short(self.model)}"
            )
        for what, value, least in (("width", self.width, 1), ("height", self.height, 1), ("index", self.index, 0)):
            if type(value) is not int or value < least:
                raise DataError(f"reading of {self.source}: expected {what} of at least {least}, got {short(value)}")
        if self.time_s is not None:
            _finite("time_s", self.time_s)

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "index": self.index,
            "time_s": self.time_s,
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "faces": [face.to_json() for face in self.faces],
        }

    @classmethod
    def from_json(cls, value: Any) -> Reading:
        """Raises DataError when a field is missing or wrong."""
        if not isinstance(value, Mapping):
            raise DataError(f"reading: expected an object, got {short(value)}")
        try:
            if not isinstance(value["faces"], list):
                raise DataError(f"faces: expected a list, got {short(value['faces'])}")
            faces = tuple(Face.from_json(face) for face in value["faces"])
            known = ("source", "width", "height", "model", "index", "time_s")
            return cls(faces=faces, **{key: value[key] for key in known})
        except KeyError as error:
            raise DataError(f"reading: {error} is missing") from None
        except TypeError as error:
            raise DataError(f"reading: {error}") from None

    def to_line(self) -> str:
        """One line of JSON without its line end."""
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False)

    def follows(self, earlier: Reading) -> bool:
        """Whether it is of a later frame of the same film; a film may be named twice, one after the other."""
        return self.source == earlier.source and self.index > earlier.index

    @classmethod
    def from_line(cls, line: str) -> Reading:
        """Raises DataError when the line is not the JSON of a reading."""
        try:
            value = parse_json(line)
        except ValueError as error:
            raise DataError(f"not a JSON line: {error}") from None
        return cls.from_json(value)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Where the reading of a film stopped.

    Parameters
    ----------
    recent
        Its last readings, in order: enough to know again who was in sight.
    highest_id
        The highest number that a person has in all its readings; 0 without any.
    """

    recent: tuple[Reading, ...]
    highest_id: int
