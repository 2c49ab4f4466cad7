"""The JSON of the service, for its OpenAPI document; :mod:`unmask.readings` makes and checks it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from unmask.expressions import Expression
from unmask.readings import Abstention


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Quality(_Schema):
    """How well a face can be seen."""

    size: float = Field(description="Shorter side of the box, in pixels.")
    sharpness: float = Field(description="Variance of the Laplacian over the grey variance; about 0.02 is blurred.")
    yaw: float | None = Field(description="Degrees; positive when the face looks to the viewer's right.")
    pitch: float | None = Field(description="Degrees; positive when it looks down.")
    roll: float | None = Field(description="Degrees; positive when it leans clockwise.")


class Face(_Schema):
    """One face. A score says how people tend to label such a face, not what the person feels."""

    box: tuple[float, float, float, float] = Field(description="x1, y1, x2, y2 in pixels of the picture, half open.")
    detection_score: float = Field(ge=0, le=1)
    landmarks: tuple[tuple[float, float], ...] | None = Field(
        description="Left eye, right eye, nose, corners of the mouth, as the viewer sees them."
    )
    track_id: int | None = Field(description="The same number is the same person within a film or live session.")
    expression: Expression | None = Field(description="The likeliest; null where `abstained` says why there is none.")
    confidence: float = Field(ge=0, le=1, description="The highest score.")
    scores: dict[Expression, float] = Field(description="In the order of the model's labels; they sum to 1.")
    abstained: Abstention | None
    quality: Quality | None


class Reading(_Schema):
    """One picture or frame, with its faces from left to right; without a face, the list is empty."""

    source: str = Field(description="The file's name.")
    index: int = Field(ge=0, description="Number of the frame, from 0.")
    time_s: float | None = Field(description="Time of the frame in seconds; null for a picture.")
    width: int
    height: int
    model: str = Field(description="name@version")
    faces: list[Face]


class Problem(_Schema):
    """Why there is no result, and what to do."""

    error: str
    next: str


class Failure(Problem):
    """A file that could not be read."""

    source: str


class Readings(_Schema):
    """The files that could be read, and those that could not, each in the order of the request."""

    readings: list[Reading]
    failures: list[Failure]


class NoneRead(Problem):
    """No file of the request could be read."""

    failures: list[Failure]


class ExportBody(_Schema):
    """Readings, as they came; the answer of `/v1/read` can be sent as it is."""

    readings: list[dict[str, Any]] = Field(description="Objects of `Reading`.", max_length=200_000)
    failures: list[Failure] = Field(
        default=[], description="Those of the answer; they do not go into the file.", max_length=200_000
    )
    labels: list[Expression] | None = Field(
        default=None, description="The columns of scores; those of the first face when left out."
    )


class Event(_Schema):
    """One expression of one person, from onset to offset."""

    expression: Expression
    onset_s: float
    peak_s: float
    offset_s: float
    peak_score: float


class Person(_Schema):
    """What one person of a film showed. Shares are of the time in which the person was found."""

    track_id: int
    frames: int
    first_s: float
    last_s: float
    seen_s: float
    shares: dict[Expression, float]
    withheld: dict[Abstention, float]
    mean_scores: dict[Expression, float]
    events: list[Event]


class Summary(_Schema):
    """A film as a whole."""

    source: str
    model: str
    frames: int
    frames_without_a_face: int
    first_s: float
    last_s: float
    people: list[Person]


class FilmReading(_Schema):
    """The next frame."""

    event: Literal["reading"]
    reading: Reading


class FilmError(Problem):
    """The film cannot be read, wholly or from here on."""

    event: Literal["error"]


class FilmEnd(_Schema):
    """The end of the film."""

    event: Literal["summary"]
    summary: Summary


class FilmEvent(RootModel[FilmReading | FilmError | FilmEnd]):
    """A line of the answer about a film."""


class Head(_Schema):
    """One output of a model: a set of labels."""

    name: str
    labels: list[Expression]


class Model(_Schema):
    """A model that requests can choose."""

    name: str
    version: str
    parameters: int
    macs: int
    bytes: int
    taxonomy: str
    taxonomies: list[str]
    input: dict[str, Any]
    bundled: bool
    licence: str
    accuracy: dict[str, float]
    heads: list[Head]
    thresholds: dict[str, float]
    default: bool


class Detector(_Schema):
    """A face detector that requests can choose."""

    name: str
    default: bool


class Models(_Schema):
    """What requests can choose from."""

    models: list[Model]
    detectors: list[Detector]


class Health(_Schema):
    """The server answers, and with what it reads."""

    status: str
    version: str
    model: str
    detector: str


EXAMPLE_READING: dict[str, Any] = {
    "source": "photo.jpg",
    "index": 0,
    "time_s": None,
    "width": 512,
    "height": 512,
    "model": "small@2.0.0",
    "faces": [
        {
            "box": [174.2, 65.1, 281.9, 206.4],
            "detection_score": 0.99,
            "landmarks": [[199.3, 117.2], [249.0, 115.8], [225.4, 143.1], [203.5, 167.9], [249.2, 166.4]],
            "track_id": None,
            "expression": "happy",
            "confidence": 0.97,
            "scores": {
                "neutral": 0.02,
                "happy": 0.97,
                "surprise": 0.003,
                "sad": 0.002,
                "angry": 0.002,
                "disgust": 0.001,
                "fear": 0.001,
                "contempt": 0.001,
            },
            "abstained": None,
            "quality": {"size": 107.7, "sharpness": 0.21, "yaw": -1.2, "pitch": -6.0, "roll": -1.6},
        }
    ],
}
