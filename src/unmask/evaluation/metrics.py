"""Figures of merit of probabilities against labels, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.evaluation import rates
from unmask.evaluation.curves import reliability, risk_coverage
from unmask.expressions import Taxonomy


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts ``(classes, classes)``: rows actual, columns predicted."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def most_confused(confusion: NDArray[np.int64], taxonomy: Taxonomy, *, at_least: int = 1) -> list[dict[str, Any]]:
    """Pairs of different classes by how often the first was taken for the second, most often first."""
    pairs = [
        {"actual": str(taxonomy.labels[i]), "predicted": str(taxonomy.labels[j]), "count": int(confusion[i, j])}
        for i in range(len(taxonomy))
        for j in range(len(taxonomy))
        if i != j and confusion[i, j] >= at_least
    ]
    return sorted(pairs, key=lambda pair: -pair["count"])


def log_losses(truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Loss of each row, from the probability ``(N,)`` that its label was given; of a probability of 0 it is finite."""
    return np.asarray(-np.log(np.maximum(truth, 1e-12)), dtype=np.float64)


def evaluate_probs(probs: NDArray[np.floating], labels: NDArray[np.int64], taxonomy: Taxonomy) -> dict[str, Any]:
    """All figures of one evaluation, ready for JSON.

    Classes that no row carries count neither in the balanced accuracy nor in the macro-F1.

    Parameters
    ----------
    probs
        ``(N, C)``, rows summing to 1.
    labels
        Codes ``(N,)`` of the taxonomy.

    Raises
    ------
    DataError
        No rows, or shapes that do not belong together.
    """
    classes = len(taxonomy)
    if len(labels) == 0 or probs.shape != (len(labels), classes):
        raise DataError(f"expected probabilities ({len(labels)}, {classes}) of at least one row, got {probs.shape}")
    confusion = confusion_matrix(labels, probs.argmax(axis=1), classes)
    # A class that is never answered has no precision; in this table it counts as 0, as it does in the F1.
    precision, recall, f1 = (np.nan_to_num(rate(confusion)) for rate in (rates.precisions, rates.recalls, rates.f1s))
    actual = confusion.sum(axis=1)
    truth = probs[np.arange(len(labels)), labels]
    one_hot = np.eye(classes)[labels]
    bins = reliability(probs, labels)
    return {
        "accuracy": float(rates.accuracy(confusion)),
        "balanced_accuracy": float(rates.balanced_accuracy(confusion)),
        "macro_f1": float(rates.macro_f1(confusion)),
        "ece": bins.error,
        "ece_by_chance": bins.error_by_chance,
        "brier": float(((probs - one_hot) ** 2).sum(axis=1).mean()),
        "nll": float(log_losses(truth).mean()),
        "aurc": risk_coverage(probs, labels).area,
        "n": len(labels),
        "per_class": {
            str(label): {
                "precision": float(precision[code]),
                "recall": float(recall[code]),
                "f1": float(f1[code]),
                "n": int(actual[code]),
            }
            for code, label in enumerate(taxonomy.labels)
        },
        "labels": [str(label) for label in taxonomy.labels],
        "confusion": confusion.tolist(),
        "most_confused": most_confused(confusion, taxonomy)[:10],
    }
