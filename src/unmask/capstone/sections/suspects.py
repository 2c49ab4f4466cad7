"""The words of the cleaning step."""

from __future__ import annotations

from unmask.capstone.sections import Kept, points
from unmask.capstone.sections.data import audited
from unmask.evaluation.intervals import between
from unmask.pages import Html, paragraph, section, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """How suspects are found, whether people doubt the same labels, and what leaving them out gains."""
    data = kept.data
    found = data["audit"]
    return [
        paragraph(
            "The study asks whether the data should be cleaned and leaves it open. Here every row of the 80 % is "
            f"judged by a network that has not seen it (right in {percent(data['right'], 1)} of them). A label is "
            "suspect when the network is surer of another one than it usually is of rows that carry that one "
            f"(confident learning, Northcutt et al., arXiv:1911.00068). {data['suspects']:,} of {data['judged']:,} "
            "labels are. The list stands in suspects.csv in the folder of this step, and on suspects.html beside it a "
            f"person decides about each; unmask data clean --apply carries that out. {audited(found)}"
        ),
        kept.tiles("suspects", data["words"], side=72),
        kept.shown("suspects_by_class"),
        *_votes(kept),
        section("Does leaving them out help?", *_retrained(kept), level=3),
        kept.left_out(),
    ]


def _votes(kept: Kept) -> list[Html]:
    if "votes" not in kept.data:
        return []
    shares, base = kept.data["votes"]["shares"], kept.data["votes"]["all"]
    first = next(iter(shares))
    words = paragraph(
        f"Do people doubt the same labels? Of the {int(first):,} most doubted, FER+'s majority rejects "
        f"{percent(shares[first])}; of all rows, {percent(base)}."
    )
    return [section("Whether people agree", words, kept.shown("votes"), level=3)]


def _retrained(kept: Kept) -> list[Html]:
    rows = [
        [
            name,
            f"{run['learned']:,}",
            f"{run['accuracy']:.3f}",
            f"{run['macro_f1']:.3f}",
            f"{run['ece']:.3f}",
            "" if run["votes"] is None else f"{run['votes']:.3f}",
        ]
        for name, run in kept.data["retrained"].items()
    ]
    gain = kept.value("suspects.gain")
    within = between(kept.data["comparison"]["interval"], points)
    votes = [run["votes"] for run in kept.data["retrained"].values()]
    words = (
        "The same recipe, trained with and without the rows that are doubted most, and measured on the same rows "
        f"with their own, uncleaned labels: accuracy {'rises' if gain > 0 else 'falls'} by {points(abs(gain))} "
        f"points (95 %: {within}). Labels that are wrong in training are wrong in the same "
        "way where it is measured, so this figure alone cannot settle it."
    )
    if votes[0] is not None:
        change = votes[1] - votes[0]
        words += (
            f" Against what most of ten taggers say, accuracy {'rises' if change > 0 else 'falls'} by "
            f"{abs(100 * change):.1f} points."
        )
    head = ["learned from", "rows", "accuracy", "macro-F1", "calibration error", "against FER+'s majority"]
    return [paragraph(words), table(head, rows, caption="Measured on the 20 %, copies on one side; one seed")]
