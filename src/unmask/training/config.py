"""What a training run is told, as a validated object read from TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from unmask.errors import ConfigError, InputError, suggest
from unmask.models import Thresholds
from unmask.training.augment import Augmentation
from unmask.training.precision import PRECISIONS


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run.

    Parameters
    ----------
    name, version
        Of the model that the run makes.
    network, arguments
        Registered network and its keyword arguments.
    initial
        Weights to start from; empty for random ones. A ``.safetensors`` or ``.pth`` file, a model folder or name, a
        run's folder, or the name of a published file: see :func:`unmask.networks.weights.load_weights`.
    heads
        Weight of each head's loss by taxonomy: ``ferplus`` learns the votes as soft targets, ``fer2013`` the labels.
    epochs, warmup_epochs
        Length of the run, and of the linear rise of the learning rate before its cosine fall to 0.
    batch_size, learning_rate, weight_decay
        Of AdamW; norms and biases are not decayed.
    label_smoothing
        Of hard labels.
    ema_decay
        Of the running average of the weights, which is what is kept and measured.
    holdout
        Share of Training kept from it, copies together, to choose temperature and thresholds.
    precision
        ``fp32``; ``bf16`` or, not on a CPU, ``fp16`` (autocast); ``auto`` takes bf16 where the hardware is fast in it.
    seed
        Of everything random.
    augmentation
        Ranges of the random views.
    thresholds
        Of abstention by size, sharpness and turn; those of confidence and margin are chosen on the held-out rows.
    """

    name: str
    version: str
    network: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    initial: str = ""
    heads: Mapping[str, float] = field(default_factory=lambda: {"ferplus": 1.0, "fer2013": 1.0})
    epochs: int = 60
    warmup_epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    ema_decay: float = 0.999
    holdout: float = 0.05
    precision: str = "auto"
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        rules = {
            "epochs": self.epochs >= 1,
            "warmup_epochs": 0 <= self.warmup_epochs < max(self.epochs, 1),
            "batch_size": self.batch_size >= 2,
            "learning_rate": self.learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "ema_decay": 0 <= self.ema_decay < 1,
            "holdout": 0 <= self.holdout < 1,
            "precision": self.precision in PRECISIONS,
            "heads": bool(self.heads) and set(self.heads) <= {"ferplus", "fer2013"},
        }
        for key, holds in rules.items():
            if not holds:
                raise ConfigError(f"{key} = {getattr(self, key)!r} is outside its range")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file and apply ``key=value`` overrides, the value written as in TOML (``augmentation.flip=0.0``).

    Raises
    ------
    ConfigError
        The file is no TOML, or holds an unknown key (the message names the nearest known one), or a value of another
        type or outside its range.
    """
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for override in overrides:
        key, separator, text = override.partition("=")
        try:
            value = tomllib.loads(f"value = {text}")["value"] if separator else None
        except tomllib.TOMLDecodeError:
            value = text  # a bare word is a string
        if value is None:
            raise ConfigError(f"--set {override}: expected KEY=VALUE")
        *parents, leaf = key.strip().split(".")
        table = values
        for parent in parents:
            table = table.setdefault(parent, {})
        table[leaf] = value
    config: TrainConfig = _build(TrainConfig, values, str(path))
    return config


def _build(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """An instance of a dataclass from a table, its keys and types checked."""
    hints = get_type_hints(kind)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key '{key}'; {suggest(key, hints)}")
        if dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping):
            value = _build(hints[key], value, f"{where}: {key}")
        elif hints[key] is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif hints[key] in (int, float, str) and type(value) is not hints[key]:
            raise ConfigError(f"{where}: {key} = {value!r}: expected {hints[key].__name__}")
        elif hints[key] not in (int, float, str) and not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {key} = {value!r}: expected a table")
        arguments[key] = value
    required = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    missing = [key for key in required if key not in arguments]
    if missing:
        raise ConfigError(f"{where}: missing: {', '.join(missing)}")
    return kind(**arguments)
