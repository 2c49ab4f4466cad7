"""Choosing a temperature and the thresholds of abstention on held-out data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.models import softmax

TOO_FEW = 30
"""Rows below which a temperature and thresholds are chance alone."""


def calibration(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> tuple[float | None, dict[str, float]]:
    """The temperature, and the thresholds of :func:`score_thresholds`, that suit rows a model has not learned from.

    None and no thresholds where the rows cannot tell: there are too few, or all answers are right, for which no
    temperature would be low enough.

    Parameters
    ----------
    logits
        ``(N, C)``.
    labels
        Codes ``(N,)``.
    """
    if len(labels) < TOO_FEW or (logits.argmax(axis=1) == labels).all():
        return None, {}
    temperature = round(fit_temperature(logits, labels), 4)
    return temperature, score_thresholds(logits, labels, temperature)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature with the lowest log loss, between 0.05 and 20.

    Parameters
    ----------
    logits
        ``(N, C)`` on rows that the model has not learned from.
    labels
        Codes ``(N,)``.

    Notes
    -----
    In 1 / temperature the log loss is convex, so narrowing an interval around its least value finds it.
    """
    behind = logits - logits[np.arange(len(labels)), labels][:, None]  # of each label's own score
    most = behind.max(axis=1, keepdims=True)

    def cost(inverse: float) -> float:
        # The logarithm of the softmax itself: of a probability that rounds to 0 there is none.
        return float((most[:, 0] * inverse + np.log(np.exp((behind - most) * inverse).sum(axis=1))).sum())

    low, high = 0.05, 20.0
    for _ in range(80):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return 2 / (low + high)


def even_cost_threshold(values: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """The threshold below which to withhold answers when giving a wrong one is as bad as withholding a right one.

    It is the least value, in steps of 0.01, with the fewest wrong answers from it on plus right answers below it; 0
    when withholding never pays.

    Parameters
    ----------
    values
        Confidence or margin of each answer, ``(N,)``, 0 to 1.
    right
        Whether the answer is right, ``(N,)``.
    """
    thresholds = np.arange(101) / 100
    given = values >= thresholds[:, None]  # (101, N)
    cost = (given & ~right).sum(axis=1) + (~given & right).sum(axis=1)
    return float(thresholds[cost.argmin()])


def score_thresholds(logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float) -> dict[str, float]:
    """The thresholds of abstention that rest on scores, ``min_confidence`` and ``min_margin``, at even cost.

    Parameters
    ----------
    logits
        ``(N, C)`` on rows that the model has not learned from.
    labels
        Codes ``(N,)``.
    temperature
        What calibrates the logits.
    """
    ordered = np.sort(softmax(logits, temperature=temperature), axis=1)
    right = logits.argmax(axis=1) == labels
    return {
        "min_confidence": even_cost_threshold(ordered[:, -1], right),
        "min_margin": even_cost_threshold(ordered[:, -1] - ordered[:, -2], right),
    }
