"""Labels that models doubt, what a person decides about each, and the data set that follows from it.

The ranking is confident learning's (Northcutt et al., arXiv:1911.00068): a row is suspect when a model that has not
seen it is surer of another label than it is, on average, of rows that carry that label.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.errors import DataError, InputError
from unmask.writing import write_whole

KEEP, DROP = "keep", "drop"
"""Decisions besides a label's name; an empty one keeps the row too."""

_DOUBT_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Suspect:
    """One row whose label is doubted.

    Parameters
    ----------
    row
        Position in the data set, from 0.
    picture
        Twelve letters of the SHA-256 of its pixels, which tell whether a list belongs to a data set. No digits: a
        spreadsheet would take some for numbers, and round them.
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
    """The data set after the decisions, and how many of the list's rows were dropped, relabelled, kept or undecided."""

    dataset: FaceDataset
    dropped: int
    relabelled: int
    kept: int
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


def labelled_rows(dataset: FaceDataset, split: str) -> NDArray[np.int64]:
    """Positions of a split's rows that have a label, ``(N,)``.

    Raises
    ------
    DataError
        There is no such split, or none of its rows has a label.
    """
    dataset.split(split)  # refuses a split that is not there
    rows = np.flatnonzero((dataset.splits == split) & (dataset.labels != UNLABELLED))
    if not len(rows):
        raise DataError(f"{dataset.name}: no row of '{split}' has a label to doubt")
    return rows


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
            picture=_letters(dataset, int(rows[place])),
            label=str(names[labels[place]]),
            suggested=str(names[others[place]]),
            doubt=round(float(doubt[place]), _DOUBT_DIGITS),
        )
        for place in order[doubt[order].round(_DOUBT_DIGITS) > 0].tolist()
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
    delimiter = ";" if ";" in text.partition("\n")[0] else ","  # as spreadsheets of some languages write it
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    if reader.fieldnames is None or not set(_COLUMNS) <= set(reader.fieldnames):
        raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS)}; name a list of unmask data clean")
    found = []
    for line in reader:
        try:
            row, doubt = int(line["row"]), float(line["doubt"].replace(",", "."))
        except (AttributeError, TypeError, ValueError):
            raise DataError(f"{path}: line {reader.line_num}: expected a number as row and as doubt") from None
        words = (str(line[name] or "").strip() for name in ("picture", "label", "suggested", "decision"))
        picture, label, suggested, decision = words
        found.append(Suspect(row, picture, label, suggested, doubt, decision.lower()))
    return found


def check_list(dataset: FaceDataset, listed: Iterable[Suspect]) -> None:
    """Raise DataError for a row that is not there, shows another picture or is listed twice."""
    seen = set[int]()
    for one in listed:
        if not 0 <= one.row < len(dataset) or _letters(dataset, one.row) != one.picture:
            raise DataError(
                f"row {one.row} of {dataset.name} is not the picture that the list means; give the data that the list "
                "was made from, with the same --split-file and --skip-bad"
            )
        if one.row in seen:
            raise DataError(f"row {one.row} stands in the list twice; leave one decision")
        seen.add(one.row)


def decided_before(dataset: FaceDataset, path: Path) -> list[Suspect]:
    """What a person has decided in a list that is there already; nothing where there is none.

    Raises
    ------
    InputError, DataError
        It cannot be read, or is about other data: it must not be replaced.
    """
    if not path.exists():
        return []
    decided = [one for one in read_suspects(path) if one.decision]
    try:
        check_list(dataset, decided)
    except DataError as error:
        raise DataError(f"{path} holds decisions, and {error}; or name another folder with --out") from None
    return decided


def carry_over(found: Sequence[Suspect], decided: Sequence[Suspect]) -> list[Suspect]:
    """A new list with the decisions of an older one about the same data set.

    Rows that were decided and are doubted no more stay in it, so that nothing a person did is lost.
    """
    older = {one.row: one for one in decided}
    again = [replace(one, decision=older.pop(one.row).decision) if one.row in older else one for one in found]
    return sorted([*again, *older.values()], key=lambda one: -one.doubt)


def decide(dataset: FaceDataset, decided: Sequence[Suspect]) -> Decided:
    """Carry out what was decided; the data set given stays as it is.

    A decision is about its row alone: other copies of the picture keep their labels, and ``unmask data audit`` finds
    those that now contradict it.

    Raises
    ------
    DataError
        A row that is not there, shows another picture or is named twice, or a decision that is not understood.
    """
    check_list(dataset, decided)
    labels, stays = dataset.labels.copy(), np.ones(len(dataset), dtype=bool)
    undecided = 0
    for one in decided:
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
    dropped = int((~stays).sum())
    kept = len(decided) - dropped - changed - undecided
    return Decided(cleaned, dropped=dropped, relabelled=changed, kept=kept, undecided=undecided)


def _letters(dataset: FaceDataset, row: int) -> str:
    # Letters alone: a spreadsheet would take twelve digits for a number, and round it.
    digest = hashlib.sha256(np.ascontiguousarray(dataset.images[row]).tobytes()).hexdigest()[:12]
    return digest.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


_COLUMNS = tuple(field.name for field in fields(Suspect))
