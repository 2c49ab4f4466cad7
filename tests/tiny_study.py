"""The whole study on made-up faces, small enough for tests. Needs PyTorch and scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unmask.capstone.budgets import (
    Budget,
    ClassicalBudget,
    FutureBudget,
    InsideBudget,
    OwnBudget,
    SuspectsBudget,
    Vgg19Budget,
)
from unmask.capstone.recipes import recipe
from unmask.capstone.steps import classical

TINY = Budget(
    name="quick",
    classical=ClassicalBudget(
        seeds=2, train=8, validate=3, components=20, better={"lbp_histogram": ["svc"]}, whole={"hog": ["logistic"]}
    ),
    vgg19=Vgg19Budget(
        rows_per_class=4,
        measured=10,
        frozen_epochs=1,
        epochs=1,
        frozen_rates=(3e-3, 1e-2),
        rates=(1e-4,),
        tried_epochs=1,
        finder_steps=10,
        holdout=0.3,
        batch_size=8,
    ),
    own=OwnBudget(epochs=2, parted=(0,), together=()),
    inside=InsideBudget(faces=40),
    suspects=SuspectsBudget(folds=2, epochs=1, retrain_epochs=1),
    future=FutureBudget(votes_epochs=1, rows=40, measured=20, epochs=2, frozen_epochs=1, rates=(5e-4,), tried_epochs=2),
)


@contextmanager
def few_trees(folder: Path) -> Iterator[None]:
    """The recipe of the classical study with models that are made in no time."""
    light = recipe("study.toml").read_text(encoding="utf-8")
    for heavy, few in (
        ("n_estimators = 150", "n_estimators = 3"),
        ("n_estimators = 50,", "n_estimators = 2,"),
        ("learning_rate = [0.1, 0.2]", "learning_rate = [0.2]"),
        ("min_samples_leaf = [1, 3]", "min_samples_leaf = [1]"),
        ("gamma = [0.5, 1.0]", "gamma = [1.0]"),
        ("folds = 3", "folds = 2"),
        ("C = [10.0, 100.0, 1000.0]", "C = [10.0]"),
        ("search_rows = 6000", "search_rows = 100"),
        ("held_out = 0.05", "held_out = 0.2"),
    ):
        assert heavy in light
        light = light.replace(heavy, few)
    path = folder / "study.toml"
    path.write_text(light, encoding="utf-8")

    def found(name: str) -> Any:
        return path if name == "study.toml" else recipe(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classical, "recipe", found)
        yield


@contextmanager
def bare_machine(empty: Path) -> Iterator[None]:
    """No weights that were fetched before, and one thread: for so little work, several only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_MODELS", str(empty))
        patch.setenv("TORCH_HOME", str(empty))
        yield
    torch.set_num_threads(threads)
