"""Figures of merit of probabilities against labels, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.expressions import Taxonomy

ECE_BINS = 15


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts ``(classes, classes)``: rows actual, columns predicted."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def expected_calibration_error(
    probs: NDArray[np.floating], labels: NDArray[np.int64], *, bins: int = ECE_BINS
) -> float:
    """Mean gap between confidence and accuracy over equally wide bins of confidence, weighted by their size.

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015).
    Only the top class counts.

    Parameters
    ----------
    probs
        ``(N, C)``, rows summing to 1.
    labels
        Codes ``(N,)``.
    """
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(index, weights=confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def most_confused(confusion: NDArray[np.int64], taxonomy: Taxonomy, *, at_least: int = 1) -> list[dict[str, Any]]:
    """Pairs of different classes by how often the first was taken for the second, most often first."""
    pairs = [
        {"actual": str(taxonomy.labels[i]), "predicted": str(taxonomy.labels[j]), "count": int(confusion[i, j])}
        for i in range(len(taxonomy))
        for j in range(len(taxonomy))
        if i != j and confusion[i, j] >= at_least
    ]
    return sorted(pairs, key=lambda pair: -pair["count"])


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
    right, actual, guessed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = right / np.maximum(actual, 1)
    precision = right / np.maximum(guessed, 1)
    f1 = 2 * right / np.maximum(actual + guessed, 1)
    present = actual > 0
    truth = probs[np.arange(len(labels)), labels]
    one_hot = np.eye(classes)[labels]
    return {
        "accuracy": float(right.sum() / len(labels)),
        "balanced_accuracy": float(recall[present].mean()),
        "macro_f1": float(f1[present].mean()),
        "ece": expected_calibration_error(probs, labels),
        "brier": float(((probs - one_hot) ** 2).sum(axis=1).mean()),
        "nll": float(-np.log(np.maximum(truth, 1e-12)).mean()),
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
