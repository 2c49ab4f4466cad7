"""What networks say about rows that they have not seen: trained on some folds, asked about the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unmask.datasets.base import FaceDataset
from unmask.datasets.splits import TRAINING, VALIDATION, fold_numbers, linked_groups
from unmask.errors import ConfigError, DataError
from unmask.evaluation.answers import answer
from unmask.models import Classifier
from unmask.training.config import TrainConfig
from unmask.training.trained import training_facts

TrainFold = Callable[[TrainConfig, FaceDataset, str], Path]
"""Trains a configuration on a data set, under a name, and returns the folder of the model."""


def judge(dataset: FaceDataset, config: TrainConfig, *, folds: int, train: TrainFold) -> NDArray[np.float64]:
    """Probabilities of each row ``(N, C)`` by a network that was trained on the other folds.

    Copies of an image, and all rows of a subject, are in one fold.

    Parameters
    ----------
    dataset
        Labelled rows, all of one split.
    config
        Of every fold's network; the number of the fold is added to its seed.
    folds
        How many parts there are, 2 or more.
    train
        Called with the configuration, the parted data set and ``fold-0``, ``fold-1`` and so on.

    Raises
    ------
    ConfigError
        The networks would start from, or be taught by, a model that was trained on this data.
    DataError
        There are fewer images or subjects than folds.
    """
    for source in filter(None, (config.initial, *config.distillation.teachers)):
        if training_facts(source).get("sha256") == dataset.checksum:
            raise ConfigError(
                f"{source} was trained on {dataset.name} and would tell networks of the rows that they are to judge; "
                "leave it out of initial and distillation.teachers"
            )
    number = fold_numbers(linked_groups(dataset), folds, seed=config.seed, strata=dataset.labels)
    if len(np.unique(number)) < folds:
        raise DataError(f"{dataset.name}: too few images or subjects for {folds} folds; ask for fewer folds")
    probs = np.zeros((len(dataset), len(dataset.taxonomy)))
    for fold in range(folds):
        parted = dataclasses.replace(dataset, splits=np.where(number == fold, VALIDATION, TRAINING))
        own = dataclasses.replace(
            config, seed=config.seed + fold, train_split=TRAINING, measured_split=VALIDATION, keep_copies=False
        )
        model = train(own, parted, f"fold-{fold}")
        answers = answer([Classifier.load(model, threads=torch.get_num_threads())], parted, split=VALIDATION)
        probs[answers.rows] = answers.probs
    return probs
