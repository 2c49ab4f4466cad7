"""What evaluations say, in the same words on a page and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unmask.evaluation.comparison import Comparison
from unmask.evaluation.groups import GroupFigures
from unmask.evaluation.measure import Evaluation

CORRUPTION_HEAD = ("damage", "accuracy", "change", "macro-F1", "calibration error", "log loss")
GROUP_HEAD = ("group", "rows", "accuracy", "balanced accuracy", "macro-F1")


def comparison_sentence(comparison: Comparison) -> str:
    """What the comparison says, for a page or a terminal."""
    difference = comparison.difference
    return (
        f"Accuracy of {comparison.first} less that of {comparison.second}: {difference.value:+.4f} "
        f"({difference.between('{:+.4f}'.format)}); each alone right on {comparison.only_first:,} and "
        f"{comparison.only_second:,} of {comparison.n:,} rows; McNemar's exact test p = {comparison.p_value:.2g}."
    )


def damage(entry: Mapping[str, Any]) -> str:
    """One entry of :func:`unmask.evaluation.corruptions.evaluate_corrupted`, by its kind and strength."""
    return f"{entry['corruption']}: {entry['strength']}" if entry["strength"] else str(entry["corruption"])


def corruption_rows(evaluation: Evaluation) -> list[list[str]]:
    """Damage, accuracy, loss of accuracy, macro-F1, calibration error and log loss, as text."""
    clean = evaluation.corruptions[0]["accuracy"]
    return [
        [
            damage(entry),
            f"{entry['accuracy']:.3f}",
            f"{entry['accuracy'] - clean:+.3f}" if number else "",
            f"{entry['macro_f1']:.3f}",
            f"{entry['ece']:.3f}",
            f"{entry['nll']:.3f}",
        ]
        for number, entry in enumerate(evaluation.corruptions)
    ]


def group_rows(groups: Sequence[GroupFigures]) -> list[list[str]]:
    """Group, rows, accuracy, balanced accuracy and macro-F1 with their intervals, as text."""
    return [
        [group.group, f"{group.n:,}", str(group.accuracy), str(group.balanced_accuracy), str(group.macro_f1)]
        for group in groups
    ]
