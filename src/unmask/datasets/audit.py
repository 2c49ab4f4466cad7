"""What is wrong with a data set: copies, leaks between splits, conflicting labels, blanks, pictures of no face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import FaceDataset
from unmask.datasets.near import near_copies
from unmask.errors import DataError

SPLIT_ORDER = ("Training", "Validation", "PublicTest", "Test", "PrivateTest")
"""Splits from the one that is learned from to the one that is measured on last; others stand between."""

NOT_A_FACE = -1
"""Column of the votes for "not a face"."""


@dataclass(frozen=True)
class Audit:
    """What :func:`audit` found; rows are positions in the data set.

    Parameters
    ----------
    images
        Number of rows.
    unique
        Number of different pictures, compared pixel by pixel.
    repeats
        Rows whose pixels stand in an earlier row, ``(R,)``; ``images`` is ``unique`` and these.
    across_splits
        For two splits, in the order of :data:`SPLIT_ORDER`, how many rows of the second have the pixels of a row of
        the first.
    blank
        Rows of one grey, ``(B,)``.
    conflicting
        Rows of each group of copies that do not all have the same label.
    near
        Rows of each pair of near copies ``(P, 2)``, one row for each different picture. None where not searched.
    near_correlation
        Correlation of their pixels ``(P,)``.
    near_across_splits
        As ``across_splits``, for rows with a near copy that is no exact copy.
    not_a_face
        Rows in which no tagger saw a face, ``(F,)``. None without votes.
    """

    images: int
    unique: int
    repeats: NDArray[np.int64]
    across_splits: dict[tuple[str, str], int]
    blank: NDArray[np.int64]
    conflicting: list[NDArray[np.int64]]
    near: NDArray[np.int64] | None = None
    near_correlation: NDArray[np.float32] | None = None
    near_across_splits: dict[tuple[str, str], int] | None = None
    not_a_face: NDArray[np.int64] | None = None

    def to_json(self) -> dict[str, Any]:
        """The counts, as ``unmask data audit --format json`` prints them."""
        return {
            "images": self.images,
            "unique": self.unique,
            "exact_copies": len(self.repeats),
            "copies_across_splits": {f"{a}/{b}": count for (a, b), count in self.across_splits.items()},
            "near_copies": None if self.near is None else len(self.near),
            "near_copies_across_splits": None
            if self.near_across_splits is None
            else {f"{a}/{b}": count for (a, b), count in self.near_across_splits.items()},
            "blank": len(self.blank),
            "conflicting_groups": len(self.conflicting),
            "not_a_face": None if self.not_a_face is None else len(self.not_a_face),
        }


def audit(dataset: FaceDataset, *, near: bool = True) -> Audit:
    """Look through a data set.

    Parameters
    ----------
    near
        Search for near copies too, which takes time with the square of the number of pictures.

    Raises
    ------
    DataError
        The data set has no rows.
    """
    if not len(dataset):
        raise DataError(f"{dataset.name}: no rows, so nothing to audit")
    groups, splits = dataset.groups, dataset.splits
    _, first = np.unique(groups, return_index=True)
    earlier = np.zeros(len(dataset), dtype=bool)
    earlier[first] = True
    flat = dataset.images.reshape(len(dataset), -1)
    blank = np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))
    order = ordered_splits(splits)
    pairs = correlations = near_across = None
    if near:
        rows = np.sort(first)
        found, correlations = near_copies(dataset.images[rows])
        pairs = rows[found]
        near_across = _near_across(groups, splits, pairs, order)
    return Audit(
        images=len(dataset),
        unique=len(first),
        repeats=np.flatnonzero(~earlier),
        across_splits=_across(groups, splits, order),
        blank=blank,
        conflicting=_conflicts(groups, dataset.labels),
        near=pairs,
        near_correlation=correlations,
        near_across_splits=near_across,
        not_a_face=_not_a_face(dataset),
    )


def fixed_rows(dataset: FaceDataset, found: Audit) -> NDArray[np.int64]:
    """The rows to keep, ``(K,)``, so that nothing of what an audit found is left.

    Of copies and near copies one row stays: the one in the split that is measured on last, so that test splits stay
    whole and Training gives way; in that split, the first. Copies with conflicting labels all go, as do blanks and
    rows in which no tagger saw a face.
    """
    linked = dataset.groups.copy()
    if found.near is not None:
        for a, b in found.near.tolist():
            low, high = sorted((linked[a], linked[b]))
            linked[linked == high] = low
    place = {name: number for number, name in enumerate(ordered_splits(dataset.splits))}
    measured_late = np.array([-place[name] for name in dataset.splits.tolist()])
    lost = [found.blank, *found.conflicting, *([] if found.not_a_face is None else [found.not_a_face])]
    gone = np.isin(dataset.groups, dataset.groups[np.concatenate(lost)])
    order = np.lexsort((np.arange(len(dataset)), measured_late, gone, linked))
    stays = ~gone
    stays[order[1:][linked[order][1:] == linked[order][:-1]]] = False
    return np.flatnonzero(stays)


def ordered_splits(splits: NDArray[np.str_]) -> list[str]:
    """The names that occur, in the order of :data:`SPLIT_ORDER`; others behind Training, by first row."""
    names, first = np.unique(splits, return_index=True)
    in_data = [str(name) for name in names[np.argsort(first)]]
    others = [name for name in in_data if name not in SPLIT_ORDER]
    known = [name for name in SPLIT_ORDER if name in in_data]
    return [*known[:1], *others, *known[1:]] if known[:1] == ["Training"] else [*others, *known]


def label_words(dataset: FaceDataset, rows: NDArray[np.int64]) -> list[str]:
    """The label of each row in words; ``no label`` where it has none."""
    labels = dataset.taxonomy.labels
    return ["no label" if code < 0 else str(labels[code]) for code in dataset.labels[rows].tolist()]


def _across(groups: NDArray[np.int64], splits: NDArray[np.str_], order: list[str]) -> dict[tuple[str, str], int]:
    return {
        (one, two): int(np.isin(groups[splits == two], groups[splits == one]).sum())
        for number, one in enumerate(order)
        for two in order[number + 1 :]
    }


def _near_across(
    groups: NDArray[np.int64], splits: NDArray[np.str_], pairs: NDArray[np.int64], order: list[str]
) -> dict[tuple[str, str], int]:
    rows_of = np.concatenate([groups[pairs], groups[pairs][:, ::-1]])  # (2P, 2): both directions
    counts = {}
    for number, one in enumerate(order):
        reached = rows_of[np.isin(rows_of[:, 0], groups[splits == one]), 1]
        for two in order[number + 1 :]:
            of_two = groups[splits == two]
            counts[one, two] = int((np.isin(of_two, reached) & ~np.isin(of_two, groups[splits == one])).sum())
    return counts


def _conflicts(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    labelled = np.flatnonzero(labels >= 0)
    if not len(labelled):
        return []
    _, inverse = np.unique(groups[labelled], return_inverse=True)
    low = np.full(inverse.max() + 1, np.iinfo(np.int64).max)
    high = np.full(inverse.max() + 1, -1)
    np.minimum.at(low, inverse, labels[labelled])
    np.maximum.at(high, inverse, labels[labelled])
    return [labelled[inverse == group] for group in np.flatnonzero(low != high)]


def _not_a_face(dataset: FaceDataset) -> NDArray[np.int64] | None:
    if dataset.votes is None:
        return None
    votes = dataset.votes.astype(np.int64)
    return np.flatnonzero((votes[:, NOT_A_FACE] > 0) & (votes[:, NOT_A_FACE] == votes.sum(axis=1)))


def require_rows(dataset: FaceDataset, rows: NDArray[np.int64]) -> FaceDataset:
    """The rows, as a data set. Raises DataError when nothing is left."""
    if not len(rows):
        raise DataError(f"{dataset.name}: nothing is left; every row is blank, no face, or a copy in conflict")
    return dataset.select(rows)
