"""What a training run is told, as a validated object read from TOML."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unmask.errors import ConfigError
from unmask.evaluation.views import VIEWS
from unmask.expressions import TAXONOMIES
from unmask.models import Thresholds
from unmask.models.card import NAME_RULE, is_model_name
from unmask.training.augment import Augmentation
from unmask.training.precision import PRECISIONS
from unmask.training.schedules import SCHEDULES
from unmask.training.typed import apply_overrides, build_typed, check_ranges, read_table
from unmask.writing import write_whole

CONFIG = "config.json"
"""In the folder of a run: its resolved configuration."""

OPTIMISERS = ("adamw", "sgd")
MEMORY_FORMATS = ("auto", "channels_last", "contiguous")

_FROM_0, _BELOW_1, _SHARE = "0 or more", "from 0 to less than 1", "0 to 1"


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a network that begins with given weights is brought to learn, layer group by layer group.

    Parameters
    ----------
    frozen_epochs
        Epochs in which only the last group (the heads) learns. They have a schedule of their own, then the rest has.
    frozen_rate
        Peak of the learning rate in those epochs; 0 takes ``learning_rate``.
    thaw_every
        Epochs after which one more group begins to learn, the later layers first; 0 frees all at once.
    rate_decay
        Learning rate of a group as a multiple of the next group's: ``0.1`` lets early layers learn more slowly.
    """

    frozen_epochs: int = 0
    frozen_rate: float = 0.0
    thaw_every: int = 0
    rate_decay: float = 1.0

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "frozen_epochs": (self.frozen_epochs >= 0, _FROM_0),
                "frozen_rate": (self.frozen_rate >= 0, _FROM_0),
                "thaw_every": (self.thaw_every >= 0, _FROM_0),
                "rate_decay": (0 < self.rate_decay <= 1, "more than 0 and at most 1"),
            },
        )
        if self.thaw_every and not self.frozen_epochs:
            raise ConfigError("transfer.thaw_every thaws what was frozen: set transfer.frozen_epochs, or leave it out")


@dataclass(frozen=True, slots=True)
class Distillation:
    """Learning from other models besides the data (Hinton et al., arXiv:1503.02531).

    Parameters
    ----------
    teachers
        Model files or names; several are an ensemble whose probabilities are averaged. None: no distillation.
    live
        Ask them during training about each view that the student sees, one teacher drawn for each batch; they are then
        models whose network can be trained on, or runs that need not be finished. Without, they are asked once about
        each picture and its mirror image.
    weight
        Share of the loss that the teachers have; the data has the rest.
    temperature
        By which the logits of both sides are divided; higher shows more of how a teacher ranks the wrong classes.
    """

    teachers: tuple[str, ...] = ()
    live: bool = False
    weight: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "weight": (0 <= self.weight <= 1, _SHARE),
                "temperature": (0 < self.temperature <= 100, "more than 0 and at most 100"),
            },
        )
        if self.live and not self.teachers:
            raise ConfigError("distillation.live = true asks nobody: name distillation.teachers, or set it false")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run.

    Parameters
    ----------
    name, version
        Of the model that the run makes; the name has small letters, digits, - and _.
    network, arguments
        Registered network and its keyword arguments.
    size
        Side to which the network enlarges each crop by itself (bilinear); 0 takes crops as they are. Networks made for
        large pictures see more in an enlarged face; the model file still takes crops of the data's own size.
    initial
        Weights to start from; empty for random ones. A ``.safetensors`` or ``.pth`` file, a model folder or name, a
        run's folder, or the name of a published file: see :func:`unmask.networks.weights.load_weights`.
    heads
        Weight of each head's loss by taxonomy: ``ferplus`` learns the votes as soft targets, ``fer2013`` the labels.
    train_split, measured_split
        Names of the split that is learned from and of the one on which the finished model is measured.
    keep_copies
        Learn also from rows whose pixels stand in another split. Figures on that split are then too high; it is here to
        repeat published protocols.
    holdout
        Share of the training split kept from it, copies and all rows of a subject together, to choose temperature,
        thresholds and, with ``patience``, the epoch.
    epochs, warmup_epochs
        Length of the run, and of the rise of the learning rate at its beginning.
    schedule
        ``cosine``: a linear rise and half a cosine down to 0; ``one-cycle``: half a cosine up from a 25th and down to
        nothing, while the momentum goes the other way (Smith, arXiv:1708.07120); ``constant`` after a linear rise.
    optimiser
        ``adamw``, or ``sgd`` with Nesterov's ``momentum``.
    batch_size, learning_rate, weight_decay, momentum
        Of the optimiser; norms and biases are not decayed; on several devices the batch is divided among them. The
        schedule ``one-cycle`` sets the momentum itself, whatever ``momentum`` says.
    sam
        Radius of sharpness-aware minimisation (Foret et al., arXiv:2010.01412), which doubles the work; 0 is without.
    clip_norm
        Largest norm of all gradients together; 0 does not clip.
    label_smoothing
        Of hard labels.
    mixup, cutmix
        Parameter of the Beta distribution from which the shares of two mixed pictures are drawn (Zhang et al.,
        arXiv:1710.09412; Yun et al., arXiv:1905.04899); 0 is without; with both, each batch takes one by chance.
    class_weighting, balanced_sampling
        Power of each class's inverse frequency by which its rows count in the loss, or are drawn: 0 treats rows alike,
        1 treats classes alike.
    ema_decay
        Of the running average of the weights, which is what is kept and measured; 0 keeps the last weights.
    patience
        Epochs without a lower loss on the held-out rows after which the run ends, and the best epoch is kept; 0 goes to
        the end and keeps the last.
    precision
        ``fp32``; ``bf16`` or, not on a CPU, ``fp16`` (autocast); ``auto`` takes bf16 where the hardware is fast in it.
    memory_format
        ``channels_last``, ``contiguous``, or ``auto``: channels last where it is faster.
    compile
        Compile the network with ``torch.compile``: minutes at the start, less time a step on a GPU.
    views
        Test-time views with which the finished model is also measured; 1 measures the plain crop only.
    storage
        ``fp16`` or ``fp32``: how the model file stores its weights; both compute in fp32.
    seed
        Of everything random.
    transfer, distillation, augmentation
        Tables of their own.
    thresholds
        Of abstention by size, sharpness and turn, where none is set those of the model in ``initial``; those of
        confidence and margin are chosen on the held-out rows.
    """

    name: str
    version: str
    network: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0
    initial: str = ""
    heads: Mapping[str, float] = field(default_factory=lambda: {"ferplus": 1.0, "fer2013": 1.0})
    train_split: str = "Training"
    measured_split: str = "PublicTest"
    keep_copies: bool = False
    holdout: float = 0.05
    epochs: int = 60
    warmup_epochs: int = 3
    schedule: str = "cosine"
    optimiser: str = "adamw"
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    momentum: float = 0.9
    sam: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.1
    mixup: float = 0.0
    cutmix: float = 0.0
    class_weighting: float = 0.0
    balanced_sampling: float = 0.0
    ema_decay: float = 0.999
    patience: int = 0
    precision: str = "auto"
    memory_format: str = "auto"
    compile: bool = False
    views: int = 1
    storage: str = "fp16"
    seed: int = 0
    transfer: Transfer = field(default_factory=Transfer)
    distillation: Distillation = field(default_factory=Distillation)
    augmentation: Augmentation = field(default_factory=Augmentation)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "name": (is_model_name(self.name), NAME_RULE),
                "arguments": (
                    not {"name", "heads"} & set(self.arguments),
                    "neither name nor heads: set network and heads",
                ),
                "epochs": (self.epochs >= 1, "1 or more"),
                "warmup_epochs": (
                    0 <= self.warmup_epochs < self.epochs,
                    f"0 or more, and fewer than the run's epochs, {self.epochs}; set epochs and warmup_epochs together",
                ),
                "batch_size": (self.batch_size >= 2, "2 or more"),
                "learning_rate": (self.learning_rate > 0, "more than 0"),
                "weight_decay": (self.weight_decay >= 0, _FROM_0),
                "momentum": (0 <= self.momentum < 1, _BELOW_1),
                "sam": (self.sam >= 0, _FROM_0),
                "clip_norm": (self.clip_norm >= 0, _FROM_0),
                "label_smoothing": (0 <= self.label_smoothing < 1, _BELOW_1),
                "mixup": (self.mixup >= 0, _FROM_0),
                "cutmix": (self.cutmix >= 0, _FROM_0),
                "class_weighting": (0 <= self.class_weighting <= 1, _SHARE),
                "balanced_sampling": (0 <= self.balanced_sampling <= 1, _SHARE),
                "ema_decay": (0 <= self.ema_decay < 1, _BELOW_1),
                "holdout": (0 <= self.holdout < 1, _BELOW_1),
                "patience": (self.patience >= 0, _FROM_0),
                "seed": (0 <= self.seed < 2**31, "0 to 2147483647"),
                "heads": (
                    bool(self.heads) and all(weight > 0 for weight in self.heads.values()),
                    "one or more, each with a weight of more than 0",
                ),
            },
        )
        choices: dict[str, Sequence[object]] = {
            "schedule": list(SCHEDULES),
            "optimiser": OPTIMISERS,
            "precision": PRECISIONS,
            "memory_format": MEMORY_FORMATS,
            "views": VIEWS,
            "storage": ("fp16", "fp32"),
        }
        for key, known in choices.items():
            if getattr(self, key) not in known:
                raise ConfigError(f"{key} = {getattr(self, key)!r}: expected one of {', '.join(map(str, known))}")
        if not set(self.heads) <= set(TAXONOMIES):
            raise ConfigError(f"heads = {dict(self.heads)!r}: expected some of {', '.join(TAXONOMIES)}")
        if self.patience and not self.holdout:
            raise ConfigError("patience needs held-out rows to watch: set holdout above 0")
        if self.transfer.frozen_epochs >= self.epochs:
            raise ConfigError(
                f"transfer.frozen_epochs = {self.transfer.frozen_epochs}: expected fewer than the run's epochs, "
                f"{self.epochs}; set epochs and transfer.frozen_epochs together"
            )
        if self.sam and self.precision == "fp16":
            raise ConfigError("sam and precision = 'fp16' do not go together; choose bf16, fp32 or auto")

    @property
    def network_arguments(self) -> dict[str, Any]:
        """What :func:`unmask.networks.build_network` needs besides name and heads."""
        return {**self.arguments, **({"size": self.size} if self.size else {})}

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain data, every default written out."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file (or a run's ``config.json``) and apply ``key=value`` overrides (``augmentation.flip=0.0``).

    Raises
    ------
    InputError
        The file cannot be opened.
    ConfigError
        The file is no TOML, or holds an unknown key (the message names the nearest known one), or a value of another
        type or outside its range.
    """
    values = read_table(path)
    apply_overrides(values, overrides)
    config: TrainConfig = build_typed(TrainConfig, values, str(path))
    return config


def save_config(path: Path, config: TrainConfig) -> None:
    """Write the resolved configuration as JSON, which :func:`load_config` reads again."""
    write_whole(path, json.dumps(config.to_json(), indent=2) + "\n")
