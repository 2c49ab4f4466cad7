"""Figures that rest on the confusion matrix alone.

Every function takes counts ``(..., C, C)``, rows actual and columns predicted, of one matrix or of many at once, and
gives NaN where a figure is not defined: the recall of a class without rows, the precision of one never answered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer | np.floating]


def accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Share of right answers."""
    return _share(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum(axis=(-2, -1)))


def recalls(confusion: Counts) -> NDArray[np.float64]:
    """Share of each class's rows that are answered rightly, ``(..., C)``."""
    return _share(_hits(confusion), confusion.sum(axis=-1))


def precisions(confusion: Counts) -> NDArray[np.float64]:
    """Share of the answers of each class that are right, ``(..., C)``."""
    return _share(_hits(confusion), confusion.sum(axis=-2))


def f1s(confusion: Counts) -> NDArray[np.float64]:
    """Harmonic mean of precision and recall of each class, ``(..., C)``; NaN for a class without rows."""
    actual = confusion.sum(axis=-1)
    f1 = _share(2 * _hits(confusion), actual + confusion.sum(axis=-2))
    return np.where(actual > 0, f1, np.nan)


def balanced_accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Mean recall of the classes that have rows."""
    return _mean(recalls(confusion))


def macro_f1(confusion: Counts) -> NDArray[np.float64]:
    """Mean F1 of the classes that have rows."""
    return _mean(f1s(confusion))


def _hits(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _share(part: Counts, whole: Counts) -> NDArray[np.float64]:
    """The quotient; NaN where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the last axis without NaN."""
    present = ~np.isnan(values)
    return _share(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))
