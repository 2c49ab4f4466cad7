"""Two models on the same rows: is one better than the other, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.evaluation.intervals import DRAWS, Interval, interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models answer to the same rows.

    Parameters
    ----------
    first, second
        Their names.
    both_right, only_first, only_second, both_wrong
        Rows by who answers them rightly.
    difference
        Accuracy of the first less that of the second, with its paired bootstrap interval.
    p_value
        Of McNemar's test: how often models that are equally good would differ at least so much.
    """

    first: str
    second: str
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    difference: Interval
    p_value: float

    @property
    def n(self) -> int:
        """Rows in all."""
        return self.both_right + self.only_first + self.only_second + self.both_wrong

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "second": self.second,
            "n": self.n,
            "both_right": self.both_right,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "both_wrong": self.both_wrong,
            "accuracy_difference": self.difference.value,
            "interval": self.difference.to_json(),
            "p_value": self.p_value,
            "test": "McNemar, exact, two-sided",
        }


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value of McNemar's test (doi:10.1007/BF02295996).

    Of the rows that only one model answers rightly, equally good models win half each, so the smaller count is held
    against a binomial distribution. It is exact for few and many pairs alike; no approximation is needed.

    Parameters
    ----------
    only_first, only_second
        Rows that only this model answers rightly.
    """
    pairs = only_first + only_second
    if only_first == only_second:
        return 1.0
    # The logarithms of the binomial coefficients pairs over 0, 1, ..., min, by what each has more than the one before.
    steps = np.arange(1, min(only_first, only_second) + 1)
    coefficients = np.concatenate([[0.0], np.cumsum(np.log((pairs - steps + 1) / steps))])
    return float(min(1.0, 2 * np.exp(np.logaddexp.reduce(coefficients) - pairs * np.log(2))))


def compare(
    first_right: NDArray[np.bool_],
    second_right: NDArray[np.bool_],
    *,
    first: str = "first",
    second: str = "second",
    seed: int = 0,
) -> Comparison:
    """Compare by whether each answers each row rightly, both ``(N,)``.

    Raises
    ------
    DataError
        No rows, or another number of rows.
    """
    if len(first_right) != len(second_right) or not len(first_right):
        raise DataError(
            f"a comparison needs the same rows, at least one: {first} has {len(first_right)}, "
            f"{second} has {len(second_right)}"
        )
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    both = int((first_right & second_right).sum())
    rows = len(first_right)
    # Drawing rows in pairs with replacement is drawing these three counts; see unmask.evaluation.intervals.
    counts = np.array([only_first, only_second, rows - only_first - only_second])
    drawn = np.random.default_rng(seed).multinomial(rows, counts / rows, size=DRAWS)
    return Comparison(
        first,
        second,
        both,
        only_first,
        only_second,
        rows - both - only_first - only_second,
        interval((only_first - only_second) / rows, (drawn[:, 0] - drawn[:, 1]) / rows),
        mcnemar(only_first, only_second),
    )
