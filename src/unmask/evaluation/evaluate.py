"""A model measured on a split of a data set, by the protocol of docs/benchmark.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets import ferplus
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.errors import DataError
from unmask.evaluation.metrics import evaluate_probs
from unmask.expressions import FERPLUS, Taxonomy, project
from unmask.models import Classifier, softmax

VIEWS = (1, 2)
"""Test-time views: the crop alone, or the crop and its mirror image with their logits averaged."""


def predict(
    classifier: Classifier, images: NDArray[np.uint8], taxonomy: Taxonomy, *, views: int = 1
) -> NDArray[np.float64]:
    """Calibrated probabilities ``(N, len(taxonomy))`` of crops ``uint8 (N, S, S)``.

    The model's own head for the taxonomy answers; a model without one answers with its first head, projected.
    """
    if views not in VIEWS:
        raise DataError(f"views: expected one of {VIEWS}, got {views}")
    card = classifier.card
    own = next((head for head in card.heads if head.taxonomy.name == taxonomy.name), None)
    head = own or card.heads[0]
    logits = classifier.logits(images, head=head.name)
    if views == 2:
        logits = np.mean([logits, classifier.logits(images[:, :, ::-1], head=head.name)], axis=0)
    probs = softmax(logits, temperature=head.temperature)
    return probs if own else project(probs, head.taxonomy, taxonomy)


def reference_labels(dataset: FaceDataset, *, use_votes: bool) -> tuple[NDArray[np.int64], Taxonomy]:
    """What a model's answers are held against: FER+'s majority or the labels, codes ``(N,)``, -1 for rows without.

    Raises
    ------
    DataError
        Votes are asked for and missing.
    """
    if not use_votes:
        return dataset.labels, dataset.taxonomy
    if dataset.votes is None:
        raise DataError(f"{dataset.name} has no FER+ votes; give the votes file with --ferplus")
    return ferplus.majority(dataset.votes), FERPLUS


def evaluate(
    classifier: Classifier, dataset: FaceDataset, *, split: str, use_votes: bool = False, views: int = 1
) -> dict[str, Any]:
    """Every figure of ``unmask evaluate`` for one split, also without the rows whose pixels stand in Training.

    Parameters
    ----------
    dataset
        With the rows of Training too, if the figure without copies is to mean anything.
    use_votes
        Measure against FER+'s majority rule instead of FER2013's labels.
    views
        See :data:`VIEWS`.

    Raises
    ------
    DataError
        The split is missing or has no labels, or votes are asked for and missing.
    """
    copies = dataset.copies_of("Training") if split != "Training" else np.zeros(len(dataset), dtype=bool)
    rows = dataset.splits == split
    part, copied = dataset.split(split), copies[rows]
    labels, taxonomy = reference_labels(part, use_votes=use_votes)
    labelled = labels != UNLABELLED
    if not labelled.any():
        raise DataError(f"{dataset.name}: no row of '{split}' has a label, so there is nothing to measure against")
    probs = predict(classifier, part.images[labelled], taxonomy, views=views)
    labels, copied = labels[labelled], copied[labelled]
    figures = evaluate_probs(probs, labels, taxonomy)
    unique = ~copied
    figures["deduplicated"] = evaluate_probs(probs[unique], labels[unique], taxonomy) if unique.any() else None
    return {
        "model": classifier.card.identity,
        "data": dataset.name,
        "checksum": dataset.checksum,
        "split": split,
        "taxonomy": taxonomy.name,
        "views": views,
        "parameters": classifier.card.parameters,
        **figures,
    }
