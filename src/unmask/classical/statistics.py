"""Which differences between cells mean anything.

Accuracies of the same draws are compared in pairs. Draws overlap, so their accuracies are not independent, and a plain
t test finds differences that are none: Nadeau and Bengio, "Inference for the generalization error"
(doi:10.1023/A:1024068626366), widen the variance by the share of rows that is measured on. Many comparisons at once
find something by chance; Holm, "A simple sequentially rejective multiple test procedure" (1979), allows for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

LEVEL = 0.05
"""Chance of one or more wrong findings in a table, at most."""

_ROUNDING = 1e-12  # differences of equal accuracies differ by less


def corrected_t_test(differences: Sequence[float], *, share: float, above: bool = False) -> float:
    """P value that the mean of the differences is 0, by Nadeau and Bengio's corrected resampled t test.

    Draws without spread say nothing of how far another one would lie; the test is not defined for them, and they
    count as no evidence: 1.

    Parameters
    ----------
    differences
        One for each draw.
    share
        Rows measured on for each row learned from.
    above
        One-sided: only a mean above 0 speaks against it; else one on either side does.

    Examples
    --------
    >>> round(corrected_t_test([0.02, 0.03, 0.01, 0.02], share=0.0), 4)
    0.0163
    """
    from scipy.stats import t

    values = np.asarray(differences, dtype=np.float64)
    if np.ptp(values) < _ROUNDING:
        return 1.0
    statistic = values.mean() / np.sqrt(values.var(ddof=1) * (1 / len(values) + share))
    tail = t.sf(statistic, len(values) - 1) if above else 2 * t.sf(abs(statistic), len(values) - 1)
    return float(tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values raised for their number, in the same order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    raised = np.empty(len(order))
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[position]))
        raised[position] = highest
    return [float(value) for value in raised]


def compare(accuracies: Mapping[str, Sequence[float]], *, share: float) -> list[dict[str, Any]]:
    """Every pair of cells: mean difference and raised p value, the clearest first.

    Parameters
    ----------
    accuracies
        Of each cell, draw by draw, the same draws for all.
    share
        See :func:`corrected_t_test`.
    """
    pairs = list(combinations(accuracies, 2))
    differences = [np.subtract(accuracies[first], accuracies[second]) for first, second in pairs]
    raised = holm([corrected_t_test(list(each), share=share) for each in differences])
    rows = [
        {"first": first, "second": second, "difference": float(each.mean()), "p": p}
        for (first, second), each, p in zip(pairs, differences, raised, strict=True)
    ]
    return sorted(rows, key=lambda row: row["p"])


def above_chance(accuracies: Mapping[str, Sequence[float]], chance: float, *, share: float) -> dict[str, float]:
    """Raised one-sided p value of each cell that its accuracy is chance or below."""
    p_values = [
        corrected_t_test(list(np.subtract(each, chance)), share=share, above=True) for each in accuracies.values()
    ]
    return dict(zip(accuracies, holm(p_values), strict=True))


def within_noise(value: float, accuracies: Sequence[float]) -> bool:
    """Whether a single published accuracy could be one more of our draws: inside their 95 % prediction interval."""
    from scipy.stats import t

    values = np.asarray(accuracies, dtype=np.float64)
    width = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    return bool(abs(value - values.mean()) <= width)


def in_words(comparisons: Sequence[Mapping[str, Any]], *, draws: int) -> str:
    """What the comparisons of one table say."""
    real = [row for row in comparisons if row["p"] < LEVEL]
    count = f"{len(real)} of {len(comparisons)}" if comparisons else "no"
    text = (
        f"Over {draws} draws, {count} differences between cells are larger than chance explains (corrected "
        f"resampled t test, Holm's correction, {LEVEL:.0%} for the whole table)."
    )
    shown = []
    for row in real[:6]:
        better, worse = (row["first"], row["second"]) if row["difference"] > 0 else (row["second"], row["first"])
        shown.append(f"{better} is better than {worse} by {abs(row['difference']):.3f} (p = {row['p']:.2g})")
    if shown:
        text += " The clearest: " + "; ".join(shown) + "."
    return text + " The order of all other pairs means nothing." if len(real) < len(comparisons) else text
