"""What a model file says about itself: ``model.json``, read strictly."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unmask.errors import DataError, ModelError, UnknownModelError, suggest
from unmask.expressions import Taxonomy
from unmask.parsing import is_finite, parse_json

FORMAT = 1
"""Version of the model file's layout; a file of another version is refused."""

_KINDS = {
    **dict.fromkeys(("name", "version", "licence", "code_version", "network"), str),
    **dict.fromkeys(("input_size", "parameters", "macs"), int),
}
_HALF_TURN = 180  # degrees; no head is turned further
_MOST = {"max_yaw": _HALF_TURN, "max_pitch": _HALF_TURN, "min_confidence": 1, "min_margin": 1}

NAME_RULE = "small letters, digits, - and _, the first a letter or digit"
INPUT_SIZES = range(8, 1025)
"""Sides of the crops that a model may take, in pixels."""

# Of each protocol in the metrics, and of each class in it: what CARD.md shows.
_NUMBERS = ("n", "accuracy", "balanced_accuracy", "macro_f1", "ece", "nll")
_OF_CLASS = ("n", "precision", "recall")
_FIGURES = (*_NUMBERS, "labels", "per_class", "confusion", "most_confused")
_SHAPES = {
    "labels": (list, "a list"),
    "per_class": (Mapping, "an object"),
    "most_confused": (list, "a list"),
}


def is_model_name(name: str) -> bool:
    """Whether a model may be called so: see :data:`NAME_RULE`."""
    return re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) is not None


def check_input_size(size: int, where: str) -> None:
    """Raise DataError, beginning with ``where``, unless a model may take crops of this side."""
    if size not in INPUT_SIZES:
        raise DataError(f"{where}: expected an input of {INPUT_SIZES[0]} to {INPUT_SIZES[-1]} pixels, got {size}")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a face is given scores and no expression. A face must pass every test.

    Parameters
    ----------
    min_size
        Shorter side of the face's box, in source pixels.
    min_sharpness
        See :class:`unmask.readings.Quality`.
    max_yaw, max_pitch
        Turn of the head to either side and up or down, in degrees, up to 180.
    min_confidence
        The highest score, up to 1.
    min_margin
        The highest score less the second, up to 1.

    Raises
    ------
    DataError
        A threshold out of its range.
    """

    min_size: float = 0.0
    min_sharpness: float = 0.0
    max_yaw: float = 90.0
    max_pitch: float = 90.0
    min_confidence: float = 0.0
    min_margin: float = 0.0

    def __post_init__(self) -> None:
        for key, value in dataclasses.asdict(self).items():
            most = _MOST.get(key, math.inf)
            if not (is_finite(value) and 0 <= value <= most):
                wanted = f"a number from 0 to {most}" if key in _MOST else "a number of at least 0"
                raise DataError(f"{key}: expected {wanted}, got {value!r}")

    @classmethod
    def never(cls) -> Thresholds:
        """Thresholds that no face fails."""
        return cls(max_yaw=_HALF_TURN, max_pitch=_HALF_TURN)


@dataclass(frozen=True, slots=True)
class Head:
    """One output of a model: the ONNX output ``logits_NAME``, its labels, and the temperature that calibrates it."""

    name: str
    taxonomy: Taxonomy
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise DataError(f"head: expected a name, got {self.name!r}")
        if not (is_finite(self.temperature) and self.temperature > 0):
            raise DataError(f"head '{self.name}': expected a positive temperature, got {self.temperature!r}")

    @property
    def output(self) -> str:
        """Name of the ONNX output."""
        return f"logits_{self.name}"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything that must travel with the weights.

    Parameters
    ----------
    name, version
        Together the identity written into every reading.
    heads
        Outputs; the first is the one that is read unless another is asked for.
    input_size
        Side of the square grey crop, in pixels.
    thresholds
        For abstention, chosen on held-out data.
    network, arguments
        To build the network anew for training; empty for a model that has none.
    parameters, macs
        Learned numbers, and multiply-adds for one face.
    training
        Data, checksum, split, seed and configuration.
    metrics
        Figures by protocol, as ``unmask evaluate`` gave them.
    licence, code_version
        Terms of the weights; version of unmask that wrote the file.
    """

    name: str
    version: str
    heads: tuple[Head, ...]
    input_size: int
    parameters: int
    macs: int
    licence: str
    code_version: str
    thresholds: Thresholds = field(default_factory=Thresholds)
    network: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, kind in _KINDS.items():
            value = getattr(self, key)
            if not isinstance(value, kind) or (kind is int and not is_finite(value)):
                raise DataError(f"{key}: expected {'a whole number' if kind is int else 'a text'}, got {value!r}")
        if not is_model_name(self.name):
            raise DataError(f"model name: expected {NAME_RULE}, got {self.name!r}")
        if not self.heads:
            raise DataError(f"model '{self.name}': expected at least one head")
        check_input_size(self.input_size, f"model '{self.name}'")
        for key in ("arguments", "training", "metrics"):
            if not isinstance(getattr(self, key), Mapping):
                raise DataError(f"{key}: expected an object, got {getattr(self, key)!r}")
        for protocol, figures in self.metrics.items():
            _check_figures(figures, f"metrics: {protocol}")

    @property
    def identity(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def learned_split(self) -> str:
        """Name of the split that the model was trained on; empty where the card does not say."""
        return str(self.training.get("split", "")).partition(",")[0]

    def has_learned(self, checksum: str, split: str) -> bool:
        """Whether the model was trained on this split of the data set with this checksum, as far as the card says."""
        return self.training.get("sha256") == checksum and self.learned_split == split

    def learned_otherwise(self, checksum: str, division: str) -> bool:
        """Whether it was trained on this data set divided otherwise, so that any row may be one that it has learned."""
        facts = self.training
        return facts.get("sha256") == checksum and facts.get("division", division) != division

    def head(self, name: str | None = None) -> Head:
        """The head of this name, or the first. Raises UnknownModelError with the known names."""
        if name is None:
            return self.heads[0]
        for head in self.heads:
            if head.name == name:
                return head
        raise UnknownModelError(
            f"model '{self.name}' has no output '{name}'; {suggest(name, [head.name for head in self.heads])}"
        )

    def to_json(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["heads"] = [
            {
                "name": head.name,
                "labels": [str(label) for label in head.taxonomy.labels],
                "temperature": head.temperature,
            }
            for head in self.heads
        ]
        values["thresholds"] = dataclasses.asdict(self.thresholds)
        return {"format": FORMAT, **values}

    @classmethod
    def from_json(cls, text: str, *, where: str) -> ModelCard:
        """Read ``model.json``. Raises ModelError, beginning with ``where``, for whatever is not as it should be."""
        try:
            values = parse_json(text)
            if not isinstance(values, dict):
                raise DataError("expected an object")
            version = values.pop("format", None)
            if version != FORMAT:
                raise DataError(
                    f"format {version!r}, and this version of unmask reads format {FORMAT}; fetch or export the model "
                    "again, or read it with the version that wrote it"
                )
            heads = tuple(
                Head(head["name"], Taxonomy(head["name"], tuple(head["labels"])), head["temperature"])
                for head in values.pop("heads")
            )
            thresholds = Thresholds(**values.pop("thresholds"))
            return cls(heads=heads, thresholds=thresholds, **values)
        except KeyError as error:
            raise ModelError(f"{where}: {error} is missing; export the model again") from None
        except (DataError, TypeError, ValueError, AttributeError) as error:
            step = "" if "; " in str(error) else "; fetch or export the model again"
            raise ModelError(f"{where}: {error}{step}") from None


def _check_figures(figures: Any, where: str) -> None:
    """Raise DataError, beginning with ``where``, unless figures are those of an evaluation, as far as CARD.md shows."""
    _check_keys(figures, _FIGURES, where)
    _check_numbers(figures, _NUMBERS, where)
    if figures.get("deduplicated"):
        _check_numbers(figures["deduplicated"], _NUMBERS, f"{where}: deduplicated")
    for name, (kind, words) in _SHAPES.items():
        if not isinstance(figures[name], kind):
            raise DataError(f"{where}: {name}: expected {words}, got {figures[name]!r}")
    for label, values in figures["per_class"].items():
        _check_numbers(values, _OF_CLASS, f"{where}: per_class: {label}")
    for pair in figures["most_confused"]:
        _check_keys(pair, ("actual", "predicted"), f"{where}: most_confused")
        _check_numbers(pair, ("count",), f"{where}: most_confused")
    rows, side = figures["confusion"], len(figures["labels"])
    if not (_is_list_of(rows, side) and all(_is_list_of(row, side) and all(map(is_finite, row)) for row in rows)):
        raise DataError(f"{where}: confusion: expected {side} rows of {side} numbers, got {rows!r}")


def _is_list_of(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count


def _check_keys(values: Any, names: Iterable[str], where: str) -> None:
    if lacking := [name for name in names if not isinstance(values, Mapping) or name not in values]:
        raise DataError(f"{where}: lacks {', '.join(lacking)}")


def _check_numbers(values: Any, names: Iterable[str], where: str) -> None:
    _check_keys(values, names, where)
    for name in names:
        if not is_finite(values[name]):
            raise DataError(f"{where}: {name}: expected a finite number, got {values[name]!r}")
