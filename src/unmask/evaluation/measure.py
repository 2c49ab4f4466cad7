"""Everything about one evaluation in one value, as data; pages and plots only show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation import rates
from unmask.evaluation.answers import Answers
from unmask.evaluation.comparison import Comparison, compare
from unmask.evaluation.curves import Reliability, RiskCoverage, reliability, risk_coverage
from unmask.evaluation.groups import GroupFigures, by_group
from unmask.evaluation.intervals import Interval
from unmask.evaluation.losses import TopLoss, top_losses


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What was measured.

    Parameters
    ----------
    answers
        Rows, labels and probabilities that all of it rests on.
    figures
        See :meth:`unmask.evaluation.answers.Answers.figures`.
    intervals
        Of accuracy, balanced accuracy and macro-F1, by name.
    per_class
        Intervals of precision, recall and F1, by label and name.
    reliability, risk_coverage
        See :mod:`unmask.evaluation.curves`.
    losses
        The rows that are most wrong.
    groups
        Figures by group; empty where no groups were given.
    comparison
        With a second model, where one was given.
    corruptions
        See :func:`unmask.evaluation.corruptions.evaluate_corrupted`; empty where not asked for.
    """

    answers: Answers
    figures: dict[str, Any]
    intervals: dict[str, Interval]
    per_class: dict[str, dict[str, Interval]]
    reliability: Reliability
    risk_coverage: RiskCoverage
    losses: list[TopLoss]
    groups: list[GroupFigures] = field(default_factory=list)
    comparison: Comparison | None = None
    corruptions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def apart(self) -> dict[str, Any] | None:
        """Figures without copies of what was learned from; None where no row is left, and for that split itself.

        Tables show these; ``figures["deduplicated"]`` is there for that split too.
        """
        part: dict[str, Any] | None = self.figures["deduplicated"]
        return part if self.answers.others else None

    @property
    def apart_title(self) -> str:
        """What tables call these figures."""
        return f"without copies of {' and '.join(self.answers.others or self.answers.learned)}"

    def to_json(self) -> dict[str, Any]:
        """The figures, and beside them everything else."""
        values = dict(self.figures)
        values["learned"] = list(self.answers.learned)
        values["intervals"] = {name: interval.to_json() for name, interval in self.intervals.items()}
        values["per_class"] = {
            label: {**figures, "intervals": {name: i.to_json() for name, i in self.per_class[label].items()}}
            for label, figures in self.figures["per_class"].items()
        }
        values["reliability"] = self.reliability.to_json()
        values["risk_coverage"] = self.risk_coverage.to_json()
        values["top_losses"] = [loss.to_json() for loss in self.losses]
        if self.groups:
            values["groups"] = [group.to_json() for group in self.groups]
        if self.comparison:
            values["comparison"] = self.comparison.to_json()
        if self.corruptions:
            values["corruptions"] = self.corruptions
        return values


def measure(
    answers: Answers,
    *,
    against: Answers | None = None,
    groups: NDArray[np.str_] | None = None,
    corruptions: Sequence[dict[str, Any]] = (),
    losses: int = 24,
) -> Evaluation:
    """Work out everything from the answers.

    Parameters
    ----------
    against
        A second model's answers to the same rows.
    groups
        Group of each row of the whole data set.
    corruptions
        See :func:`unmask.evaluation.corruptions.evaluate_corrupted`.
    losses
        How many of the worst rows to keep.
    """
    labels = [str(label) for label in answers.taxonomy.labels]
    columns = {
        name: answers.intervals(rate)
        for name, rate in (("precision", rates.precisions), ("recall", rates.recalls), ("f1", rates.f1s))
    }
    whole = {"accuracy": rates.accuracy, "balanced_accuracy": rates.balanced_accuracy, "macro_f1": rates.macro_f1}
    return Evaluation(
        answers=answers,
        figures=answers.figures(),
        intervals={name: answers.intervals(rate)[0] for name, rate in whole.items()},
        per_class={label: {name: column[n] for name, column in columns.items()} for n, label in enumerate(labels)},
        reliability=reliability(answers.probs, answers.labels),
        risk_coverage=risk_coverage(answers.probs, answers.labels),
        losses=top_losses(answers, losses),
        groups=[] if groups is None else by_group(answers, groups),
        comparison=None if against is None else _compared(answers, against),
        corruptions=list(corruptions),
    )


def _compared(answers: Answers, against: Answers) -> Comparison:
    first, second = answers.model, against.model
    if first == second:  # two files of one name
        first, second = f"{first} (first)", f"{second} (second)"
    return compare(answers.right, against.right, first=first, second=second)
