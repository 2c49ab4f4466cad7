"""What the study is to compute, as a validated object read from TOML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unmask.classical.base import ImageFeature
from unmask.classical.classifiers import build_classifier, last_step, set_options
from unmask.classical.features import resolve
from unmask.classical.saving import can_be_saved
from unmask.errors import ConfigError, UnknownModelError, suggest
from unmask.training.typed import read_table

PROTOCOLS = ("small", "full")


@dataclass(frozen=True, slots=True)
class SmallProtocol:
    """The study's own: a few images of each class, drawn anew for every seed.

    Parameters
    ----------
    seeds
        How many draws; their numbers are 0, 1, 2, ...
    train, validate
        Images of each class.
    folds
        Of the grid search, inside the images to train on.
    """

    seeds: int = 10
    train: int = 100
    validate: int = 50
    folds: int = 3


@dataclass(frozen=True, slots=True)
class FullProtocol:
    """All of Training, measured on another split.

    Parameters
    ----------
    split
        Where it is measured; nothing is chosen there.
    held_out
        Share of Training that is not learned from, to calibrate on; copies together.
    search_rows
        At most so many rows of Training, without copies, for the search over a grid.
    folds
        Of that search.
    seed
        Of everything random.
    """

    split: str = "PublicTest"
    held_out: float = 0.05
    search_rows: int = 6000
    folds: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ClassifierPlan:
    """A classifier: its registered name, options, and for some options the values to choose from."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table of results.

    Parameters
    ----------
    title
        What it shows.
    protocol
        ``small`` or ``full``.
    cells
        Classifiers by feature.
    published
        Accuracies that somebody else reported, by feature and classifier, to stand beside.
    save
        Cells of a full table, ``FEATURE/CLASSIFIER``, whose model is written.
    """

    title: str
    protocol: str
    cells: Mapping[str, list[str]]
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    save: list[str] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Feature and classifier of each cell, feature by feature."""
        for feature, classifiers in self.cells.items():
            for classifier in classifiers:
                yield feature, classifier


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole configuration: protocols, and features, classifiers and tables by name."""

    features: Mapping[str, Mapping[str, Any]]
    classifiers: Mapping[str, ClassifierPlan]
    tables: Mapping[str, TablePlan]
    small: SmallProtocol = field(default_factory=SmallProtocol)
    full: FullProtocol = field(default_factory=FullProtocol)

    def feature(self, name: str) -> ImageFeature:
        """A new feature of this name."""
        return resolve(name, self.features)

    def classifier(self, name: str, *, seed: int) -> Any:
        """A new classifier of this name, with its own options."""
        if name not in self.classifiers:
            raise ConfigError(f"no table [classifiers.{name}]; {suggest(name, self.classifiers)}")
        made = self.classifiers[name]
        try:
            return build_classifier(made.kind, seed=seed, **made.options)
        except (ConfigError, UnknownModelError) as error:
            raise ConfigError(f"[classifiers.{name}]: {error}") from None

    def definition(self, feature: str, classifier: str) -> dict[str, Any]:
        """Everything that decides what the cell computes, as plain data; a finished cell is reused if it agrees."""
        parts: dict[str, Any] = {}
        waiting = [feature]
        while waiting:
            name = waiting.pop()
            parts[name] = dict(self.features[name])
            waiting += [*self.features[name].get("parts", ()), *filter(None, [self.features[name].get("feature")])]
        made = self.classifiers[classifier]
        return {"features": parts, "kind": made.kind, "options": dict(made.options), "grid": dict(made.grid)}


@contextmanager
def refusals(where: str) -> Iterator[None]:
    """Restate what an estimator says of its options, when it meets the data, as ConfigError naming the table."""
    try:
        yield
    except (TypeError, ValueError, ZeroDivisionError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ConfigError(f"{where}: {reason}; correct the recipe") from error


def load_plan(path: str | Path) -> Plan:
    """Read a TOML file and build everything in it once, so that a mistake is found before anything is computed.

    Raises
    ------
    InputError
        The file cannot be opened.
    ConfigError
        The file is no TOML, or holds an unknown name, key or option, or a value of another type or outside its range.
    """
    values = read_table(path)
    try:
        plan: Plan = _built(Plan, values, "the file")
        _check(plan)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return plan


def _check(plan: Plan) -> None:
    rules = {
        "small.seeds": (plan.small.seeds >= 2, "2 or more"),
        "small.train": (plan.small.train >= plan.small.folds, "at least small.folds"),
        "small.validate": (plan.small.validate >= 1, "1 or more"),
        "small.folds": (plan.small.folds >= 2, "2 or more"),
        "full.held_out": (0 < plan.full.held_out < 1, "more than 0 and less than 1"),
        "full.search_rows": (plan.full.search_rows >= 100, "100 or more"),
        "full.folds": (plan.full.folds >= 2, "2 or more"),
    }
    for key, (holds, expected) in rules.items():
        if not holds:
            raise ConfigError(f"{key}: expected {expected}")
    for kind, names in {"features": plan.features, "classifiers": plan.classifiers}.items():
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
                raise ConfigError(
                    f"[{kind}] '{name}': expected letters, digits, '_' and '-', since files are called so"
                )
    for name, options in plan.features.items():
        if not isinstance(options, Mapping):
            raise ConfigError(f"features.{name} = {options!r}: expected a table")
        plan.feature(name)
    for name, made in plan.classifiers.items():
        known = last_step(plan.classifier(name, seed=0)).get_params()
        for key, choices in made.grid.items():
            if key not in known or not isinstance(choices, list) or not choices:
                raise ConfigError(
                    f"[classifiers.{name}.grid] {key}: no list of values for an option; {suggest(key, known)}"
                )
            set_options(plan.classifier(name, seed=0), {key: choices[0]})
    files: dict[str, tuple[str, str]] = {}
    for pair in {pair: None for table in plan.tables.values() for pair in table.pairs()}:
        other = files.setdefault(model_name("/".join(pair)), pair)
        if other != pair:
            raise ConfigError(
                f"[tables] '{'/'.join(other)}' and '{'/'.join(pair)}' would be kept in one file; rename a feature or a "
                "classifier"
            )
    for name, table in plan.tables.items():
        if table.protocol not in PROTOCOLS:
            raise ConfigError(f"[tables.{name}] protocol: {suggest(table.protocol, PROTOCOLS)}")
        for feature, classifiers in table.cells.items():
            if not isinstance(classifiers, list):
                raise ConfigError(f"[tables.{name}] {feature} = {classifiers!r}: expected a list of classifiers")
        for feature, values in table.published.items():
            if not isinstance(values, Mapping) or not all(isinstance(value, float) for value in values.values()):
                raise ConfigError(f"[tables.{name}.published] {feature}: expected a table of accuracies, such as 0.25")
        for feature, classifier in table.pairs():
            if feature not in plan.features:
                raise ConfigError(f"[tables.{name}] {feature}: {suggest(feature, plan.features)}")
            if classifier not in plan.classifiers:
                raise ConfigError(f"[tables.{name}] {classifier}: {suggest(classifier, plan.classifiers)}")
        cells = {f"{feature}/{classifier}" for feature, classifier in table.pairs()}
        for wanted in table.save:
            if wanted not in cells or table.protocol != "full":
                raise ConfigError(
                    f"[tables.{name}] save: '{wanted}' is no cell of a full table; {suggest(wanted, cells)}"
                )
            if not can_be_saved(plan.classifier(wanted.partition("/")[2], seed=0)):
                raise ConfigError(
                    f"[tables.{name}] save: '{wanted}' cannot be saved in a model file; choose a linear model or an SVC"
                )


def model_name(cell: str) -> str:
    """Name of the model of a cell ``FEATURE/CLASSIFIER``."""
    return cell.replace("/", "-").replace("_", "-").lower()


_TABLES: dict[str, Any] = {"classifiers": ClassifierPlan, "tables": TablePlan}
_ONES: dict[str, Any] = {"small": SmallProtocol, "full": FullProtocol}


def _built(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a table, its keys and the types of its plain values checked."""
    known = {f.name: f for f in fields(kind)}
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'; {suggest(key, known)}")
        if kind is Plan and not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {key} = {value!r}: expected a table")
        if kind is Plan and key in _ONES:
            value = _built(_ONES[key], value, f"[{key}]")
        elif kind is Plan and key in _TABLES:
            value = {name: _built(_TABLES[key], part, f"[{key}.{name}]") for name, part in value.items()}
        elif known[key].type in ("int", "float", "str"):
            expected: Any = {"int": int, "float": (int, float), "str": str}[str(known[key].type)]
            if isinstance(value, bool) or not isinstance(value, expected):
                raise ConfigError(f"{where}: {key} = {value!r}: expected {known[key].type}")
        elif isinstance(value, list) != (known[key].type == "list[str]"):
            raise ConfigError(f"{where}: {key} = {value!r}: expected a {'list' if key == 'save' else 'table'}")
        arguments[key] = value
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{where}: {str(error).partition('() ')[2] or error}") from None
