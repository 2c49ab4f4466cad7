"""Labels that models doubt, what a person decides about each, and the data set that follows from it.

The ranking is confident learning's (Northcutt et al., arXiv:1911.00068): a row is suspect when a model that has not
seen it is surer of another label than it is, on average, of rows that carry that label.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import FaceDataset
from unmask.errors import DataError, InputError
from unmask.writing import write_whole

KEEP, DROP = "keep", "drop"
"""Decisions besides a label's name; an empty one keeps the row too."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One row whose label is doubted.

    Parameters
    ----------
    row
        Position in the data set, from 0.
    picture
        First twelve digits of the SHA-256 of its pixels, which tell whether a list belongs to a data set.
    label, suggested
        Its label, and what the model takes it for.
    doubt
        Probability of ``suggested`` less that of ``label``, more than 0 and at most 1.
    decision
        ``keep``, ``drop``, the label to give it, or empty where nobody has decided.
    """

    row: int
    picture: str
    label: str
    suggested: str
    doubt: float
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """The data set after the decisions, and how many rows were dropped and relabelled and are undecided."""

    dataset: FaceDataset
    dropped: int
    relabelled: int
    undecided: int


def doubts(probs: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How far each label is doubted, and the code that is likelier instead, both ``(N,)``.

    Parameters
    ----------
    probs
        ``(N, C)``, of models that have not seen the rows.
    labels
        Codes ``(N,)``.

    Returns
    -------
    Probability of the best other label less that of the row's own, 0 where the label is not doubted; and that label.
    """
    classes = probs.shape[1]
    usual = np.array([probs[labels == code, code].mean() if (labels == code).any() else 1.0 for code in range(classes)])
    sure = np.where(probs >= usual, probs, 0.0)
    rows = np.arange(len(labels))
    sure[rows, labels] = 0.0
    own, best = probs[rows, labels], sure.max(axis=1)
    return np.where((best > own) & (best > 0), best - own, 0.0), sure.argmax(axis=1)


def suspects(dataset: FaceDataset, rows: NDArray[np.int64], probs: NDArray[np.float64]) -> list[Suspect]:
    """The suspect ones among some rows, the most doubted first.

    Parameters
    ----------
    rows
        Positions of labelled rows, ``(N,)``.
    probs
        What models that have not seen them say, ``(N, C)`` in the data set's taxonomy.
    """
    labels = dataset.labels[rows]
    doubt, others = doubts(probs, labels)
    order = np.argsort(-doubt, kind="stable")
    names = dataset.taxonomy.labels
    return [
        Suspect(
            row=int(rows[place]),
            picture=_digits(dataset, int(rows[place])),
            label=str(names[labels[place]]),
            suggested=str(names[others[place]]),
            doubt=round(float(doubt[place]), 4),
        )
        for place in order[doubt[order] > 0].tolist()
    ]


def write_suspects(found: Sequence[Suspect], path: Path) -> None:
    """Write the list as CSV. Raises InputError when the disk does not take it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([one.row, one.picture, one.label, one.suggested, one.doubt, one.decision] for one in found)
    write_whole(path, text.getvalue())


def read_suspects(path: Path) -> list[Suspect]:
    """A list with its decisions.

    Raises
    ------
    InputError
        The file cannot be opened.
    DataError
        It is no such list; the message names the line and what is expected.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise InputError(f"{path}: cannot be read ({reason}); name the suspects.csv of unmask data clean") from None
    reader = csv.DictReader(io.StringIO(text))
    if reader.fieldnames is None or not set(_COLUMNS) <= set(reader.fieldnames):
        raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS)}; name a list of unmask data clean")
    found = []
    for line in reader:
        try:
            row, doubt = int(line["row"]), float(line["doubt"])
        except (TypeError, ValueError):
            raise DataError(f"{path}: line {reader.line_num}: expected a number as row and as doubt") from None
        words = (str(line[name] or "").strip() for name in ("picture", "label", "suggested", "decision"))
        picture, label, suggested, decision = words
        found.append(Suspect(row, picture, label, suggested, doubt, decision.lower()))
    return found


def decide(dataset: FaceDataset, decided: Sequence[Suspect]) -> Decided:
    """Carry out what was decided; the data set given stays as it is.

    A decision is about its row alone: other copies of the picture keep their labels, and ``unmask data audit`` finds
    those that now contradict it.

    Raises
    ------
    DataError
        A row that is not there, shows another picture or is named twice, or a decision that is not understood.
    """
    labels, stays = dataset.labels.copy(), np.ones(len(dataset), dtype=bool)
    undecided, seen = 0, set[int]()
    for one in decided:
        if not 0 <= one.row < len(dataset) or _digits(dataset, one.row) != one.picture:
            raise DataError(
                f"row {one.row} of {dataset.name} is not the picture that the list means; give the data that the list "
                "was made from, with the same --split-file and --skip-bad"
            )
        if one.row in seen:
            raise DataError(f"row {one.row} stands in the list twice; leave one decision")
        seen.add(one.row)
        if one.decision == DROP:
            stays[one.row] = False
        elif one.decision not in ("", KEEP):
            try:
                labels[one.row] = dataset.taxonomy.code(one.decision)
            except DataError:
                known = ", ".join((KEEP, DROP, *map(str, dataset.taxonomy.labels)))
                raise DataError(f"row {one.row}: decision {one.decision[:40]!r}; expected one of {known}") from None
        undecided += one.decision == ""
    changed = int((labels != dataset.labels)[stays].sum())
    cleaned = replace(dataset, labels=labels).select(stays)
    return Decided(cleaned, int((~stays).sum()), changed, undecided)


def _digits(dataset: FaceDataset, row: int) -> str:
    return hashlib.sha256(np.ascontiguousarray(dataset.images[row]).tobytes()).hexdigest()[:12]


_COLUMNS = tuple(field.name for field in fields(Suspect))
