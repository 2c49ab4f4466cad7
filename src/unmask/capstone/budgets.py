"""How much is computed: everything that ``--quick`` makes smaller, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DataBudget:
    """Whether near copies are searched for, which takes time with the square of the number of pictures."""

    near_copies: bool = False


@dataclass(frozen=True, slots=True)
class ClassicalBudget:
    """The classical study.

    Parameters
    ----------
    seeds
        Draws of the study's 700 and 350 images.
    train, validate
        Images of each class in a draw.
    components
        Eigenfaces that are kept; at most ``7 * train``.
    better
        Classifiers by feature that show what the same images can give.
    whole
        Classifiers by feature that learn from the whole 80 %.
    """

    seeds: int = 3
    train: int = 100
    validate: int = 50
    components: int = 300
    better: Mapping[str, list[str]] = field(default_factory=dict)
    whole: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vgg19Budget:
    """VGG-19 from given weights.

    Parameters
    ----------
    rows_per_class, measured
        Rows of each class to learn from, and rows to measure on; 0 takes all.
    frozen_epochs, epochs
        Those in which the body stays as it is, and those after them in which everything learns.
    frozen_rates, rates
        Peaks of the learning rate that are tried in the two; the best on held-out rows goes on.
    tried_epochs
        After how many of ``epochs`` the rates are compared.
    finder_steps
        Of each learning-rate finder.
    holdout
        Share of the rows to learn from on which rates are compared.
    batch_size
        Rows in a step.
    """

    rows_per_class: int = 0
    measured: int = 0
    frozen_epochs: int = 2
    epochs: int = 10
    frozen_rates: tuple[float, ...] = (3e-3, 1e-2)
    rates: tuple[float, ...] = (2e-4, 4e-4)
    tried_epochs: int = 2
    finder_steps: int = 100
    holdout: float = 0.05
    batch_size: int = 64


@dataclass(frozen=True, slots=True)
class OwnBudget:
    """The study's own network: epochs, and seeds with copies parted (the study) and together (mended)."""

    epochs: int = 60
    parted: tuple[int, ...] = (0, 1, 2)
    together: tuple[int, ...] = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class InsideBudget:
    """Faces over which the layers' statistics are taken."""

    faces: int = 1024


@dataclass(frozen=True, slots=True)
class SuspectsBudget:
    """Suspect labels.

    Parameters
    ----------
    folds, epochs
        Folds whose rows are judged by a network that was trained on the others, and its epochs.
    dropped
        Share of the rows, the most doubted ones, that a second training leaves out.
    retrain_epochs
        Of that training, and of the one that it is compared with.
    """

    folds: int = 5
    epochs: int = 15
    dropped: float = 0.1
    retrain_epochs: int = 40


@dataclass(frozen=True, slots=True)
class FutureBudget:
    """Future work.

    Parameters
    ----------
    votes_epochs
        Of the own network on FER2013's labels and on FER+'s votes.
    rows, measured
        Rows to learn from, and to measure on, where starting weights are compared; 0 takes all.
    epochs, frozen_epochs
        In all, and those in which the body stays as it is.
    rates
        Peaks of the learning rate that are tried for each beginning; the best on held-out rows goes on.
    tried_epochs
        After how many of ``epochs`` they are compared; more than ``frozen_epochs``, in which the peak plays no part.
    """

    votes_epochs: int = 40
    rows: int = 7000
    measured: int = 0
    epochs: int = 8
    frozen_epochs: int = 2
    rates: tuple[float, ...] = (5e-4, 2e-3)
    tried_epochs: int = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """All of it, with a name and the minutes that each step is expected to take on two cores."""

    name: str
    data: DataBudget = DataBudget()
    classical: ClassicalBudget = ClassicalBudget()
    vgg19: Vgg19Budget = Vgg19Budget()
    own: OwnBudget = OwnBudget()
    inside: InsideBudget = InsideBudget()
    saving: None = None
    suspects: SuspectsBudget = SuspectsBudget()
    future: FutureBudget = FutureBudget()
    minutes: Mapping[str, float] = field(default_factory=dict)

    def of(self, step: str) -> dict[str, Any]:
        """The part of one step as plain data."""
        part = getattr(self, step)
        return {} if part is None else dataclasses.asdict(part)


QUICK = Budget(
    name="quick",
    classical=ClassicalBudget(seeds=3, better={"lbp_histogram": ["svc"], "hog": ["svc"]}),
    vgg19=Vgg19Budget(
        rows_per_class=120,
        measured=500,
        epochs=1,
        rates=(2e-4,),
        tried_epochs=1,
        finder_steps=20,
        holdout=0.15,
        batch_size=32,
    ),
    own=OwnBudget(epochs=4, parted=(0,), together=()),
    inside=InsideBudget(faces=512),
    suspects=SuspectsBudget(folds=2, epochs=3, retrain_epochs=3),
    future=FutureBudget(
        votes_epochs=3, rows=700, measured=500, epochs=5, frozen_epochs=4, rates=(5e-4,), tried_epochs=5
    ),
    # two cores of an AMD EPYC without bf16, no GPU
    minutes={
        "data": 0.2,
        "classical": 2.0,
        "vgg19": 2.5,
        "own": 1.0,
        "inside": 0.2,
        "saving": 0.1,
        "suspects": 2.0,
        "future": 3.0,
    },
)
"""Minutes: small samples and few epochs, every figure from real data all the same."""

FULL = Budget(
    name="full",
    data=DataBudget(near_copies=True),
    classical=ClassicalBudget(
        seeds=8,
        better={
            "lbp_histogram": ["forest", "svc"],
            "hog": ["forest", "linear_svc", "svc"],
            "words_mirrored": ["ridge", "svc"],
        },
        whole={"pca": ["pca_svc"], "lbp_histogram": ["logistic"], "hog": ["logistic", "pca_svc"]},
    ),
    # two cores with bf16 (AVX-512); without it VGG-19 takes five times as long
    minutes={
        "data": 0.5,
        "classical": 9.0,
        "vgg19": 40.0,
        "own": 33.0,
        "inside": 0.3,
        "saving": 0.2,
        "suspects": 14.0,
        "future": 22.0,
    },
)
"""The study at its full length."""

BUDGETS: Mapping[str, Budget] = {budget.name: budget for budget in (QUICK, FULL)}
