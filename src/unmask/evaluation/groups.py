"""The same figures for each group of rows: who or what a model reads worse."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import FaceDataset
from unmask.errors import DataError, InputError, suggest
from unmask.evaluation import rates
from unmask.evaluation.answers import Answers
from unmask.evaluation.intervals import Interval

UNKNOWN = "(unknown)"
"""Group of the rows whose cell is empty."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group: its rows, and its figures with bootstrap intervals over these rows."""

    group: str
    n: int
    accuracy: Interval
    balanced_accuracy: Interval
    macro_f1: Interval

    def to_json(self) -> dict[str, Any]:
        figures = {name: getattr(self, name) for name in ("accuracy", "balanced_accuracy", "macro_f1")}
        values: dict[str, Any] = {name: figure.value for name, figure in figures.items()}
        intervals = {name: figure.to_json() for name, figure in figures.items()}
        return {"group": self.group, "n": self.n, **values, "intervals": intervals}


def read_groups(path: str | Path, dataset: FaceDataset, *, column: str | None = None) -> NDArray[np.str_]:
    """Group of each row of a data set, ``(N,)``, from a CSV file with a header and one line a row, in the same order.

    Parameters
    ----------
    column
        Name of the column; None where the file has one alone.

    Raises
    ------
    InputError
        The file cannot be read.
    DataError
        The column is not there, or the file has another number of rows than the data set.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            if column is None and len(names) != 1:
                raise DataError(f"{path}: name the column of the groups with --group-column; known: {', '.join(names)}")
            chosen = names[0] if column is None else column
            if chosen not in names:
                raise DataError(f"{path}: has no column '{chosen}'; {suggest(chosen, names)}")
            place = names.index(chosen)
            # A blank line is an empty cell where there is one column, and no row where there are several.
            rows = [row for row in reader if row or len(names) == 1]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); check the path, and that it is UTF-8") from None
    while len(rows) > len(dataset) and not rows[-1]:  # blank lines at the end
        rows.pop()
    if len(rows) != len(dataset):
        raise DataError(
            f"{path}: has {len(rows):,} rows, but {dataset.name} has {len(dataset):,}; "
            "write one line for each row of the data, in the same order"
        )
    return np.array([(row[place] if place < len(row) else "").strip() or UNKNOWN for row in rows])


def subjects_of(dataset: FaceDataset) -> NDArray[np.str_]:
    """The person of each row as its group, ``(N,)``. Raises DataError where the data names none."""
    if dataset.subjects is None:
        raise DataError(f"{dataset.name} does not say whom its rows show; give the groups in a CSV with --groups FILE")
    return np.where(dataset.subjects == "", UNKNOWN, dataset.subjects)


def by_group(answers: Answers, groups: NDArray[np.str_]) -> list[GroupFigures]:
    """Figures of each group that has rows in the split, the worst read first.

    Parameters
    ----------
    groups
        Group of each row of the whole data set.
    """
    own = groups[answers.rows]
    found = []
    for name in np.unique(own):
        part = answers.select(own == name)
        figures = [part.intervals(rate)[0] for rate in (rates.accuracy, rates.balanced_accuracy, rates.macro_f1)]
        found.append(GroupFigures(str(name), len(part), *figures))
    return sorted(found, key=lambda group: group.accuracy.value)
