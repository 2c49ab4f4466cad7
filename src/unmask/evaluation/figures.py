"""The plots of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unmask import plots
from unmask.evaluation.measure import Evaluation
from unmask.evaluation.words import damage

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # behind text that a line may cross


def evaluation_plots(evaluation: Evaluation) -> dict[str, Figure]:
    """Every plot by the name of its file without ending.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    drawn = {
        "confusion": confusion_plot(evaluation),
        "reliability": reliability_plot(evaluation),
        "risk_coverage": risk_coverage_plot(evaluation),
    }
    if evaluation.corruptions:
        drawn["corruptions"] = corruption_plot(evaluation)
    return drawn


def confusion_plot(evaluation: Evaluation) -> Figure:
    """Counts, shares of the actual class, and totals."""
    labels = [str(label) for label in evaluation.answers.taxonomy.labels]
    return plots.confusion(evaluation.answers.confusion, labels, title=_title(evaluation))


def reliability_plot(evaluation: Evaluation) -> Figure:
    """Accuracy over confidence, with how many answers each bin has below."""
    curve = evaluation.reliability
    bins = len(curve.counts)
    left = np.arange(bins) / bins
    with plots.style():
        figure, (upper, lower) = plots.new_figure(4.6, 4.8, rows=2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        upper.plot([0, 1], [0, 1], color="#767676", linewidth=1, linestyle="--", label="as sure as right")
        upper.bar(
            left,
            np.nan_to_num(curve.accuracy),
            1 / bins,
            align="edge",
            color="#0072b2",
            edgecolor="white",
            label="accuracy",
        )
        upper.plot(curve.confidence, curve.accuracy, ".", color="#d55e00", label="mean confidence")
        upper.set(
            ylabel="accuracy",
            xlim=(0, 1),
            ylim=(0, 1),
            title=f"Expected calibration error {curve.error:.3f} ({bins} bins)",
        )
        upper.legend(loc="upper left")
        lower.bar(left, curve.counts, 1 / bins, align="edge", color="#767676", edgecolor="white")
        lower.set(xlabel="confidence of the answer", ylabel="answers")
    return figure


def risk_coverage_plot(evaluation: Evaluation) -> Figure:
    """The share of wrong answers among the surest ones, at every coverage."""
    curve = evaluation.risk_coverage
    points = np.unique(np.linspace(0, len(curve.risk) - 1, 400).round().astype(np.int64))
    series = {
        evaluation.answers.model: (curve.coverage[points].tolist(), curve.risk[points].tolist()),
        "at random": (np.linspace(0, 1, 30).tolist(), [curve.at(1.0)] * 30),  # so many points are drawn as a line
    }
    return plots.lines(
        series,
        title=f"Area under the curve {curve.area:.3f}",
        x="share of answers given",
        y="share of them wrong",
        size=(5.0, 3.2),
    )


def corruption_plot(evaluation: Evaluation) -> Figure:
    """Accuracy on each kind of damaged crop."""
    clean, *rest = evaluation.corruptions
    names = [damage(entry) for entry in rest]
    with plots.style():
        figure, axes = plots.new_figure(6.4, 0.5 + 0.22 * len(rest))
        drawn = axes.barh(range(len(rest)), [entry["accuracy"] for entry in rest], 0.75, color="#0072b2")
        axes.bar_label(
            drawn, labels=[f"{entry['accuracy']:.3f}" for entry in rest], padding=2, fontsize=7.5, bbox=_WHITE
        )
        axes.axvline(clean["accuracy"], color="#767676", linewidth=1, linestyle="--")
        axes.set_yticks(range(len(rest)), names)
        axes.invert_yaxis()
        axes.margins(x=0.1, y=0.01)
        axes.set(xlabel="accuracy", title=f"Dashed: {clean['accuracy']:.3f} on the crops as they are")
    return figure


def _title(evaluation: Evaluation) -> str:
    answers = evaluation.answers
    return f"{answers.model}, {answers.data} {answers.split}"
