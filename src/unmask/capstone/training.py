"""One training of the study: a recipe with its changes, run to its end, finished as a model, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.capstone.recipes import recipe
from unmask.capstone.step import Context
from unmask.datasets import FaceDataset
from unmask.evaluation.answers import Answers, answer
from unmask.models import Classifier
from unmask.parsing import parse_json
from unmask.training.config import TrainConfig
from unmask.training.finish import trained
from unmask.training.fit import HISTORY, Trainer
from unmask.training.typed import build_typed, read_table, set_value

MEASURED = "Validation"

Tried = dict[float, list[dict[str, Any]]]
"""History by the peak of the learning rate."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished training: the model's folder and the history by epoch, without the loss of each batch."""

    model: Path
    history: list[dict[str, Any]]

    def answers(self, dataset: FaceDataset, split: str = MEASURED, *, use_votes: bool = False) -> Answers:
        """What the model answers on a split."""
        import torch

        classifier = Classifier.load(self.model, threads=torch.get_num_threads())
        return answer([classifier], dataset, split=split, use_votes=use_votes)


def configured(name: str, changes: Mapping[str, Any]) -> TrainConfig:
    """The recipe ``NAME.toml`` with some values changed, by dotted key."""
    path = recipe(f"{name}.toml")
    values = read_table(path)
    for key, value in changes.items():
        set_value(values, key, value)
    config: TrainConfig = build_typed(TrainConfig, values, str(path))
    return config


def length(name: str, epochs: int) -> dict[str, int]:
    """What makes the recipe ``NAME.toml`` so many epochs long, the rate rising in the same share of them."""
    values = read_table(recipe(f"{name}.toml"))
    rise = round(epochs * values["warmup_epochs"] / values["epochs"])
    return {"epochs": epochs, "warmup_epochs": min(max(rise, 1 if epochs > 1 else 0), epochs - 1)}


def own_config(epochs: int, *, seed: int, together: bool, heads: Mapping[str, float] | None = None) -> TrainConfig:
    """The recipe of the study's own network for so many epochs."""
    changes: dict[str, Any] = {
        **length("study_net", epochs),
        "seed": seed,
        "keep_copies": not together,
        "measured_split": MEASURED,
    }
    if heads is not None:
        changes["heads"] = dict(heads)
    return configured("study_net", changes)


def train(context: Context, config: TrainConfig, dataset: FaceDataset, name: str) -> Run:
    """Run a configuration to its end and make a model of it; what is done of it already is not done again.

    Parameters
    ----------
    name
        Of the run's folder inside the step's; a run that was stopped there goes on.
    """
    folder = context.folder / "runs" / name

    def announce(trainer: Trainer) -> None:
        context.say(f"  {name}: {config.epochs} epochs on {len(trainer.training):,} rows")

    model = trained(config, dataset, folder, device=context.device, notify=context.notify, announce=announce)
    history = parse_json((folder / HISTORY).read_text(encoding="utf-8"))
    return Run(model, [{key: v for key, v in record.items() if key != "batch_losses"} for record in history])


def tuned(
    context: Context, configs: dict[float, TrainConfig], split: FaceDataset, name: str, *, until: int
) -> tuple[float, Tried]:
    """Try peaks of the learning rate, each as the beginning of a run ``NAME-RATE`` that :func:`train` can go on with.

    Parameters
    ----------
    configs
        By the peak of the rate.
    until
        Epochs after which they are compared.

    Returns
    -------
    The rate with the lowest loss on held-out rows, and what was tried.
    """
    keep = ("epoch", "train_loss", "holdout_loss", "holdout_fer2013", "learning_rate", "seconds")
    tried: Tried = {}
    for rate, config in configs.items():
        trainer = Trainer(config, split, context.folder / "runs" / f"{name}-{rate:g}", device=context.device)
        context.say(f"  {name}, rate {rate:g}: {until} epochs on {len(trainer.training):,} rows")
        trainer.fit(notify=context.notify, resume=True, until=until)
        tried[rate] = [{key: record[key] for key in keep} for record in trainer.history_[:until]]
    return min(tried, key=lambda rate: float(tried[rate][-1]["holdout_loss"])), tried


def part(
    dataset: FaceDataset, *, rows_per_class: int = 0, rows: int = 0, measured: int = 0, seed: int = 0
) -> FaceDataset:
    """A part of an 80/20 data set for a small budget.

    Parameters
    ----------
    rows_per_class, rows
        Rows of each class of Training, or of Training in all; 0 takes all. A class with fewer gives what it has.
    measured
        Rows of Validation, drawn plainly; 0 takes all.
    """
    rng = np.random.default_rng(seed)
    learned = rng.permutation(np.flatnonzero(dataset.splits == "Training"))
    if rows_per_class:
        codes = dataset.labels[learned]
        learned = np.concatenate([learned[codes == code][:rows_per_class] for code in range(len(dataset.taxonomy))])
    elif rows:
        learned = learned[:rows]
    others = rng.permutation(np.flatnonzero(dataset.splits == MEASURED))
    return dataset.select(np.sort(np.concatenate([learned, others[: measured or None]])))
