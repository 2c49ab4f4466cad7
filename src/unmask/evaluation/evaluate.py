"""A model measured on a split of a data set, as docs/evaluation.md says what is measured."""

from __future__ import annotations

from typing import Any

from unmask.datasets.base import FaceDataset
from unmask.evaluation.answers import answer
from unmask.models import Classifier


def evaluate(
    classifier: Classifier,
    dataset: FaceDataset,
    *,
    split: str,
    use_votes: bool = False,
    views: int = 1,
    learned: str | None = None,
) -> dict[str, Any]:
    """Every figure of one model on one split; :func:`unmask.evaluation.answers.answer` explains the parameters."""
    return answer([classifier], dataset, split=split, use_votes=use_votes, views=views, learned=learned).figures()
