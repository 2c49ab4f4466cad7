"""Suspect labels: rows whose label a network that has not seen them doubts, and what leaving them out gains."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask import plots
from unmask.capstone.measured import jpeg
from unmask.capstone.step import Context, Result
from unmask.capstone.training import MEASURED, own_config, train
from unmask.datasets import FaceDataset, ferplus
from unmask.datasets.audit import audit
from unmask.datasets.base import UNLABELLED
from unmask.datasets.cleaning import labelled_rows, suspects, write_suspects
from unmask.datasets.cleaning_page import write_cleaning_page
from unmask.datasets.ferplus import join
from unmask.datasets.splits import eighty_twenty
from unmask.evaluation.comparison import compare
from unmask.evaluation.metrics import confusion_matrix
from unmask.expressions import FERPLUS, project
from unmask.training.folds import judge

SHOWN = 24
"""Suspects in the report."""

ON_PAGE = 500
"""Suspects on the page on which a person decides about them."""


def run(context: Context) -> Result:
    """Judge every row of Training by a network that has not seen it, rank, and retrain without the suspects."""
    result = Result()
    split = eighty_twenty(context.dataset, together=True, seed=0)
    learned = split.split("Training")
    positions = labelled_rows(context.dataset, "Training")[split.splits == "Training"]
    probs = judged(context, learned)
    votes = _votes(context)
    found = suspects(context.dataset, positions, probs)
    write_suspects(found, context.folder / "suspects.csv")
    write_cleaning_page(context.dataset, found, context.folder / "suspects.html", most=ON_PAGE)
    doubted = np.searchsorted(positions, [one.row for one in found])  # places among the judged rows
    result.data |= {
        "judged": len(learned),
        "right": float((probs.argmax(axis=1) == learned.labels).mean()),
        "suspects": len(found),
        "audit": audit(
            dataclasses.replace(learned, votes=None if votes is None else votes[positions]), near=False
        ).to_json(),
        "rows": [one.row for one in found[:SHOWN]],
        "words": [f"{one.label}, or {one.suggested}: doubt {one.doubt:.2f}" for one in found[:SHOWN]],
    }
    result.value(
        "suspects.share",
        len(found) / len(learned),
        protocol=f"out of {context.budget.suspects.folds} folds, copies together",
        seeds=[0],
    )
    if found:
        sprites = np.concatenate(list(learned.images[doubted[:SHOWN]]), axis=1)
        caption = "The labels that are doubted most."
        context.keep(result, "suspects.jpg", jpeg(sprites, quality=85), caption, shows_faces=True)
    labels = [str(label) for label in learned.taxonomy.labels]
    others = np.array([learned.taxonomy.code(one.suggested) for one in found], dtype=np.int64)
    moved = confusion_matrix(learned.labels[doubted], others, len(labels))
    caption = "Suspects: rows are the labels as they are, columns what the network takes them for."
    context.draw(result, "suspects_by_class", plots.confusion(moved, labels, title="Suspect labels"), caption)
    _against_votes(context, result, None if votes is None else votes[positions], learned, doubted)
    _retrain(context, result, split, doubted, votes)
    return result


def judged(context: Context, learned: FaceDataset) -> NDArray[np.float64]:
    """Probabilities of each row, ``(N, 7)``, by a network that was trained on the other folds."""
    budget = context.budget.suspects
    return judge(
        learned,
        own_config(budget.epochs, seed=0, together=True),
        folds=budget.folds,
        train=lambda config, parted, name: train(context, config, parted, name).model,
    )


def _votes(context: Context) -> NDArray[np.uint8] | None:
    """FER+'s votes for every row of the data, where they were given."""
    votes = context.inputs.find("votes")
    return None if votes is None else join(context.dataset, votes).votes


def _against_votes(
    context: Context,
    result: Result,
    votes: NDArray[np.uint8] | None,
    learned: FaceDataset,
    doubted: NDArray[np.int64],
) -> None:
    """How often ten other people doubt the same labels."""
    if votes is None:
        result.left_out["suspects.votes"] = (
            "Whether people doubt the same labels needs FER+'s votes; name fer2013new.csv with --ferplus."
        )
        return
    majority = ferplus.majority(votes)
    own = np.array([FERPLUS.code(label) for label in learned.taxonomy.labels])[learned.labels]
    differs = np.where(majority == UNLABELLED, np.nan, (majority != own).astype(np.float64))
    counts = [count for count in (100, 200, 500, 1000, 2000, 4000, 8000) if count <= len(doubted)]
    shares = {count: float(np.nanmean(differs[doubted[:count]])) for count in [*counts, len(doubted)] if count}
    base = float(np.nanmean(differs))
    if not shares:
        return
    result.data["votes"] = {"shares": {str(count): share for count, share in shares.items()}, "all": base}
    result.value(
        "suspects.votes",
        float(np.nanmean(differs[doubted])),
        protocol="share of the suspects whose label FER+'s majority rejects",
        mended={"quantity": "the same share of all rows", "value": base},
    )
    series: dict[str, Any] = {
        "the most doubted": (list(shares), list(shares.values())),
        "all rows": ([min(shares), max(shares)], [base, base]),
    }
    curve = plots.lines(series, title="Labels that FER+'s majority rejects", x="suspects", y="share", log_x=True)
    context.draw(
        result,
        "votes",
        curve,
        "How often the labels doubted most are rejected by FER+'s majority, by how many are taken.",
    )


def _retrain(
    context: Context,
    result: Result,
    split: FaceDataset,
    doubted: NDArray[np.int64],
    votes: NDArray[np.uint8] | None,
) -> None:
    """The same recipe with and without the most doubted rows, measured on the same, uncleaned Validation."""
    epochs = context.budget.suspects.retrain_epochs
    learned = np.flatnonzero(split.splits == "Training")
    dropped = doubted[: round(context.budget.suspects.dropped * len(learned))]
    stays = np.ones(len(split), dtype=bool)
    stays[learned[dropped]] = False
    with_all, without = "all rows", "without the most doubted"
    figures, right = {}, {}
    for name, rows in ((with_all, np.ones(len(split), dtype=bool)), (without, stays)):
        kept = split.select(rows)
        config = own_config(epochs, seed=0, together=True)
        answers = train(context, config, kept, name.replace(" ", "-")).answers(kept)
        evaluated, right[name] = answers.figures(), answers.right
        figures[name] = {key: evaluated[key] for key in ("accuracy", "macro_f1", "ece", "n")}
        figures[name]["learned"] = int((kept.splits == "Training").sum())
        figures[name]["votes"] = _vote_accuracy(context, split, votes, answers.probs)
    compared = compare(right[without], right[with_all], first=without, second=with_all).to_json()
    result.data |= {"retrained": figures, "comparison": compared}
    result.value(
        "suspects.gain",
        compared["accuracy_difference"],
        interval=compared["interval"],
        protocol=f"{len(dropped):,} rows left out, the same Validation, {epochs} epochs, copies together",
        seeds=[0],
    )


def _vote_accuracy(
    context: Context, split: FaceDataset, votes: NDArray[np.uint8] | None, probs: NDArray[np.float64]
) -> float | None:
    """Accuracy on Validation against FER+'s majority, where votes are there."""
    if votes is None:
        return None
    majority = ferplus.majority(votes[labelled_rows(context.dataset, "Training")[split.splits == MEASURED]])
    known = majority != UNLABELLED
    named = project(probs[known], split.taxonomy, FERPLUS)
    return float((named.argmax(axis=1) == majority[known]).mean())
