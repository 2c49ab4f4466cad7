"""How far a figure could have come out otherwise: bootstrap intervals.

Drawing rows with replacement changes a confusion matrix as drawing its cells from a multinomial distribution does, so
the bootstrap of every figure that rests on the confusion matrix is drawn from the matrix itself: the same intervals, a
thousand times faster (Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13; percentile intervals).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError

DRAWS = 2000
LEVEL = 0.95


def between(bounds: Sequence[float] | None, shown: Callable[[float], str]) -> str:
    """Bounds as ``69.1 % to 71.0 %``, each as ``shown`` writes it; a dash for None, where the rows can tell none."""
    return "-" if bounds is None else f"{shown(bounds[0])} to {shown(bounds[1])}"


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the bounds between which it falls in 95 of 100 draws; NaN where the draws cannot tell."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As a table shows it: the figure and its bounds, to three decimals; a dash for what is not known."""
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.3f} ({self.between()})"

    def between(self, shown: Callable[[float], str] = "{:.3f}".format) -> str:
        """The bounds, each as ``shown`` writes it; a dash where they are not known."""
        return between(self.to_json(), shown)

    @property
    def is_known(self) -> bool:
        """Whether there are bounds."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def to_json(self) -> list[float] | None:
        """The bounds; None where there are none."""
        return [self.low, self.high] if self.is_known else None


def bootstrap(
    confusion: NDArray[np.int64], figure: Callable[[Any], NDArray[np.float64]], *, seed: int = 0, draws: int = DRAWS
) -> list[Interval]:
    """Percentile intervals of a figure, or of each of its components.

    Parameters
    ----------
    confusion
        Counts ``(C, C)``.
    figure
        One of :mod:`unmask.evaluation.rates`.
    seed
        Of the draws; the same seed gives the same interval.

    Raises
    ------
    DataError
        The matrix is empty.
    """
    rows = int(confusion.sum())
    if rows == 0:
        raise DataError("no rows, so no interval; give a split or group that has some")
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(rows, confusion.ravel() / rows, size=draws).reshape(draws, *confusion.shape)
    values = np.atleast_2d(np.asarray(figure(drawn.astype(np.float64))).T)  # (components, draws)
    truth = np.atleast_1d(figure(confusion.astype(np.float64)))
    return [interval(float(value), row) for value, row in zip(truth, values, strict=True)]


def interval(value: float, draws: NDArray[np.float64]) -> Interval:
    """A figure with the bounds of its draws ``(draws,)``, those apart in which it is not defined.

    Rows that are all alike give the same figure in every draw, which is no certainty: there are no bounds.
    """
    defined = draws[~np.isnan(draws)]
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(defined) else (math.nan, math.nan)
    return Interval(value, float(low), float(high)) if low < high else Interval(value, math.nan, math.nan)
