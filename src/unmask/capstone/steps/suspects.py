"""Suspect labels: rows whose label a network that has not seen them doubts, and what leaving them out gains.

The ranking is confident learning's (Northcutt et al., arXiv:1911.00068): a row is suspect when the network is surer of
another label than it is, on average, of rows that carry that label.
"""

from __future__ import annotations

import csv
import dataclasses
import io
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
from unmask.datasets.ferplus import join
from unmask.datasets.splits import eighty_twenty, fold_numbers
from unmask.evaluation.metrics import confusion_matrix
from unmask.expressions import FERPLUS, project
from unmask.writing import write_whole

SHOWN = 24


def run(context: Context) -> Result:
    """Judge every row of Training by a network that has not seen it, rank, and retrain without the suspects."""
    result = Result()
    split = eighty_twenty(context.dataset, together=True, seed=0)
    learned = split.split("Training")
    probs = judged(context, learned)
    doubt = doubts(probs, learned.labels)
    order = np.argsort(-doubt, kind="stable")
    suspects = order[doubt[order] > 0]
    positions = np.flatnonzero(_labelled(context.dataset))[split.splits == "Training"]
    _list(context, learned, positions, probs, doubt, suspects)
    found = audit(learned, near=False)
    result.data |= {
        "judged": len(learned),
        "right": float((probs.argmax(axis=1) == learned.labels).mean()),
        "suspects": len(suspects),
        "audit": found.to_json(),
        "rows": positions[suspects[:SHOWN]].tolist(),
        "words": [_words(learned, probs, row) for row in suspects[:SHOWN].tolist()],
    }
    result.value(
        "suspects.share",
        len(suspects) / len(learned),
        protocol=f"out of {context.budget.suspects.folds} folds, copies together",
        seeds=[0],
    )
    if len(suspects):
        sprites = np.concatenate(list(learned.images[suspects[:SHOWN]]), axis=1)
        caption = "The labels that are doubted most."
        context.keep(result, "suspects.jpg", jpeg(sprites, quality=85), caption, shows_faces=True)
    labels = [str(label) for label in learned.taxonomy.labels]
    moved = confusion_matrix(learned.labels[suspects], probs[suspects].argmax(axis=1), len(labels))
    caption = "Suspects: rows are the labels as they are, columns what the network takes them for."
    context.draw(result, "suspects_by_class", plots.confusion(moved, labels, title="Suspect labels"), caption)
    _against_votes(context, result, positions, learned, suspects)
    _retrain(context, result, split, suspects)
    return result


def judged(context: Context, learned: FaceDataset) -> NDArray[np.float64]:
    """Probabilities of each row, ``(N, 7)``, by a network that was trained on the other folds."""
    budget = context.budget.suspects
    folds = fold_numbers(learned.groups, budget.folds, seed=0, strata=learned.labels)
    probs = np.zeros((len(learned), len(learned.taxonomy)))
    for fold in range(budget.folds):
        away = folds == fold
        parted = dataclasses.replace(learned, splits=np.where(away, MEASURED, "Training"))
        config = own_config(budget.epochs, seed=fold, together=True)
        answers = train(context, config, parted, f"fold-{fold}").answers(parted)
        probs[answers.rows] = answers.probs
    return probs


def doubts(probs: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far each label is doubted, ``(N,)``: probability of the best other label less that of its own; 0 if not.

    Parameters
    ----------
    probs
        ``(N, C)``, of models that have not seen the rows.
    labels
        Codes ``(N,)``.
    """
    classes = probs.shape[1]
    usual = np.array([probs[labels == code, code].mean() if (labels == code).any() else 1.0 for code in range(classes)])
    sure = np.where(probs >= usual, probs, 0.0)
    rows = np.arange(len(labels))
    sure[rows, labels] = 0.0
    own = probs[rows, labels]
    best = sure.max(axis=1)
    return np.where((best > own) & (best > 0), best - own, 0.0)


def _labelled(dataset: FaceDataset) -> NDArray[np.bool_]:
    return np.asarray((dataset.splits == "Training") & (dataset.labels != UNLABELLED))


def _words(learned: FaceDataset, probs: NDArray[np.float64], row: int) -> str:
    labels = learned.taxonomy.labels
    return f"{labels[learned.labels[row]]}, or {labels[int(probs[row].argmax())]} {probs[row].max():.0%}"


def _list(
    context: Context,
    learned: FaceDataset,
    positions: NDArray[np.int64],
    probs: NDArray[np.float64],
    doubt: NDArray[np.float64],
    suspects: NDArray[np.int64],
) -> None:
    """Write ``suspects.csv``: the row in the data, its label, what the network takes it for, and how much it doubts."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "label", "suggested", "doubt"])
    labels = learned.taxonomy.labels
    for row in suspects.tolist():
        suggested = labels[int(probs[row].argmax())]
        writer.writerow([int(positions[row]), labels[learned.labels[row]], suggested, f"{doubt[row]:.4f}"])
    write_whole(context.folder / "suspects.csv", text.getvalue())


def _against_votes(
    context: Context, result: Result, positions: NDArray[np.int64], learned: FaceDataset, suspects: NDArray[np.int64]
) -> None:
    """How often ten other people doubt the same labels."""
    votes = context.inputs.find("votes")
    if votes is None:
        result.left_out["suspects.votes"] = (
            "Whether people doubt the same labels needs FER+'s votes; name fer2013new.csv with --ferplus."
        )
        return
    voted = join(context.dataset, votes).votes
    assert voted is not None
    majority = ferplus.majority(voted[positions])
    own = np.array([FERPLUS.code(label) for label in learned.taxonomy.labels])[learned.labels]
    differs = np.where(majority == UNLABELLED, np.nan, (majority != own).astype(np.float64))
    counts = [count for count in (100, 200, 500, 1000, 2000, 4000, 8000) if count <= len(suspects)]
    shares = {count: float(np.nanmean(differs[suspects[:count]])) for count in [*counts, len(suspects)] if count}
    base = float(np.nanmean(differs))
    result.data["votes"] = {"shares": {str(count): share for count, share in shares.items()}, "all": base}
    result.value(
        "suspects.votes",
        float(np.nanmean(differs[suspects])) if len(suspects) else None,
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


def _retrain(context: Context, result: Result, split: FaceDataset, suspects: NDArray[np.int64]) -> None:
    """The same recipe with and without the most doubted rows, measured on the same, uncleaned Validation."""
    epochs = context.budget.suspects.retrain_epochs
    learned = np.flatnonzero(split.splits == "Training")
    dropped = suspects[: round(context.budget.suspects.dropped * len(learned))]
    stays = np.ones(len(split), dtype=bool)
    stays[learned[dropped]] = False
    figures = {}
    for name, rows in (("all rows", np.ones(len(split), dtype=bool)), ("without the most doubted", stays)):
        kept = split.select(rows)
        config = own_config(epochs, seed=0, together=True)
        answers = train(context, config, kept, name.replace(" ", "-")).answers(kept)
        evaluated = answers.figures()
        figures[name] = {key: evaluated[key] for key in ("accuracy", "macro_f1", "ece", "n")}
        figures[name]["learned"] = int((kept.splits == "Training").sum())
        figures[name]["votes"] = _vote_accuracy(context, split, answers.probs)
    result.data["retrained"] = figures
    result.value(
        "suspects.gain",
        figures["without the most doubted"]["accuracy"] - figures["all rows"]["accuracy"],
        protocol=f"{len(dropped):,} rows left out, the same Validation, {epochs} epochs, copies together",
        seeds=[0],
    )


def _vote_accuracy(context: Context, split: FaceDataset, probs: NDArray[np.float64]) -> float | None:
    """Accuracy on Validation against FER+'s majority, where votes are there."""
    votes = context.inputs.find("votes")
    if votes is None:
        return None
    voted = join(context.dataset, votes).votes
    assert voted is not None
    held = np.flatnonzero(_labelled(context.dataset))[split.splits == MEASURED]
    majority = ferplus.majority(voted[held])
    known = majority != UNLABELLED
    named = project(probs[known], split.taxonomy, FERPLUS)
    return float((named.argmax(axis=1) == majority[known]).mean())
