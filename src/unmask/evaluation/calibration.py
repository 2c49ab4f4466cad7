"""Choosing a temperature and the thresholds of abstention on held-out data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.models import softmax


def fit_temperature(logits: NDArray[np.floating], shares: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """The temperature with the lowest weighted cross-entropy, between 0.05 and 20.

    Parameters
    ----------
    logits
        ``(N, C)`` on rows that the model has not learned from.
    shares
        Target distributions ``(N, C)``; one-hot rows for labels.
    weights
        Of the rows, ``(N,)``, not all 0.

    Notes
    -----
    In 1 / temperature the cross-entropy is convex, so narrowing an interval around its least value finds it.
    """

    def cost(inverse: float) -> float:
        probs = softmax(logits, temperature=1 / inverse)
        return float(-(weights * (shares * np.log(np.maximum(probs, 1e-12))).sum(axis=1)).sum())

    low, high = 0.05, 20.0
    for _ in range(80):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return 2 / (low + high)


def unreliable_below(values: NDArray[np.floating], right: NDArray[np.bool_], *, most: float = 0.9) -> float:
    """The highest threshold below which answers are wrong at least as often as right, in steps of 0.01; 0 without one.

    Naming an expression there would mislead more often than inform.

    Parameters
    ----------
    values
        Confidence or margin of each row, ``(N,)``.
    right
        Whether its answer is right, ``(N,)``.
    most
        The threshold is not looked for above this.
    """
    chosen = 0.0
    for step in range(1, round(most * 100) + 1):
        below = values < step / 100
        if below.any() and right[below].mean() <= 0.5:
            chosen = step / 100
    return chosen
