"""How far confidence can be trusted: the reliability of each bin, and the risk at each coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Equally wide bins of confidence, as calibration errors are mostly reported."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Confidence against accuracy in equally wide bins of confidence.

    Parameters
    ----------
    counts
        Answers in each bin, ``(bins,)``.
    confidence, accuracy
        Means over each bin's answers, ``(bins,)``; NaN in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, weighted by the bins' counts.

        Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015), of the top class.
        """
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.counts).sum() / self.counts.sum())

    @property
    def error_by_chance(self) -> float:
        """What :attr:`error` would be on average, had each answer been right as often as its confidence says.

        The share of right answers in a bin of ``n`` then scatters around the confidence ``c`` by
        ``sqrt(c (1 - c) / n)``, nearly normally, and a normal deviation's mean size is ``sqrt(2 / pi)`` of its spread.
        An error is to be read against this one: few rows alone make a calibrated model look as bad.
        """
        confidence = np.nan_to_num(self.confidence)
        sizes = np.sqrt(2 / np.pi * self.counts * confidence * (1 - confidence))
        return float(sizes.sum() / self.counts.sum())

    def to_json(self) -> list[dict[str, Any]]:
        """One entry for each bin that is not empty."""
        edges = np.linspace(0, 1, len(self.counts) + 1)
        return [
            {
                "from": float(edges[bin_]),
                "to": float(edges[bin_ + 1]),
                "n": int(self.counts[bin_]),
                "confidence": float(self.confidence[bin_]),
                "accuracy": float(self.accuracy[bin_]),
            }
            for bin_ in np.flatnonzero(self.counts)
        ]


def reliability(probs: NDArray[np.floating], labels: NDArray[np.int64], *, bins: int = BINS) -> Reliability:
    """Confidence and accuracy by bin.

    Parameters
    ----------
    probs
        ``(N, C)``, rows summing to 1; the highest is the confidence.
    labels
        Codes ``(N,)``.
    """
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is NaN, as said
        return Reliability(
            counts,
            np.bincount(index, weights=confidence, minlength=bins) / counts,
            np.bincount(index, weights=right, minlength=bins) / counts,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """The share of wrong answers among the surest ones.

    Parameters
    ----------
    risk
        ``risk[k - 1]`` is the share of wrong answers among the ``k`` most confident, ``(N,)``. Answers of the same
        confidence share their errors evenly, so the order of the rows does not matter.
    """

    risk: NDArray[np.float64]

    @property
    def coverage(self) -> NDArray[np.float64]:
        """Share of the answers that are given, ``(N,)``."""
        return np.arange(1, len(self.risk) + 1) / len(self.risk)

    @property
    def area(self) -> float:
        """The area under the curve (AURC): the mean risk over all coverages; lower is better.

        Geifman, Uziel, El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers" (arXiv:1805.08206).
        """
        return float(self.risk.mean())

    def at(self, coverage: float) -> float:
        """Risk when the surest ``coverage`` (above 0, at most 1) of the answers are given."""
        return float(self.risk[max(1, round(coverage * len(self.risk))) - 1])

    def to_json(self) -> dict[str, Any]:
        """The area, and the risk at each tenth of coverage."""
        return {
            "aurc": self.area,
            "risk_at_coverage": {f"{tenth / 10:.1f}": self.at(tenth / 10) for tenth in range(1, 11)},
        }


def risk_coverage(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> RiskCoverage:
    """Risk at every coverage when the least confident answers are withheld first.

    Parameters
    ----------
    probs
        ``(N, C)``, rows summing to 1; the highest is the confidence.
    labels
        Codes ``(N,)``.
    """
    wrong = (probs.argmax(axis=1) != labels).astype(np.float64)
    _, level, counts = np.unique(-probs.max(axis=1), return_inverse=True, return_counts=True)
    shared = np.bincount(level, weights=wrong) / counts  # errors per answer of each level of confidence
    errors = np.cumsum(np.repeat(shared, counts))
    return RiskCoverage(errors / np.arange(1, len(wrong) + 1))
