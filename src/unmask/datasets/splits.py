"""Seeded splits: stratified, by group, k-fold, and the study's own two.

A group is never parted: all copies of an image, and all rows of a subject, stay on one side.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.errors import DataError

TRAINING, VALIDATION, UNUSED = "Training", "Validation", "unused"


def linked_groups(dataset: FaceDataset) -> NDArray[np.int64]:
    """Group of each row, ``(N,)``: rows with the same pixels or the same subject, directly or through others."""
    groups = dataset.groups.copy()
    if dataset.subjects is None:
        return groups
    _, subjects = np.unique(dataset.subjects, return_inverse=True)
    known = dataset.subjects != ""
    while True:  # each round takes the smallest number along one more link
        lowest = np.full(subjects.max(initial=0) + 1, np.iinfo(np.int64).max)
        np.minimum.at(lowest, subjects[known], groups[known])
        linked = np.where(known, np.minimum(groups, lowest[subjects]), groups)
        by_copy = np.full(dataset.groups.max(initial=0) + 1, np.iinfo(np.int64).max)
        np.minimum.at(by_copy, dataset.groups, linked)
        linked = by_copy[dataset.groups]
        if np.array_equal(linked, groups):
            return groups
        groups = linked


def holdout_mask(
    groups: NDArray[np.int64], fraction: float, *, seed: int, strata: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Mask ``(N,)`` of a random ``fraction`` of the rows, never parting a group.

    Parameters
    ----------
    groups
        Group number of each row, ``(N,)``.
    fraction
        Share of the rows to hold out, 0 to 1; reached to within one group, of each stratum if there are any.
    seed
        Of the draw; the same seed on the same groups gives the same rows.
    strata
        Class of each row, ``(N,)``, to keep the shares of; a group belongs to the class of its first row.
    """
    if strata is not None:
        mask = np.zeros(len(groups), dtype=bool)
        of_row = _stratum_of_group(groups, strata)
        for stratum in np.unique(of_row):
            rows = of_row == stratum
            mask[rows] = holdout_mask(groups[rows], fraction, seed=seed)
        return mask
    unique, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(unique))
    taken = np.cumsum(counts[order]) <= fraction * len(groups)
    chosen = np.zeros(len(unique), dtype=bool)
    chosen[order[taken]] = True
    return chosen[inverse]


def fold_numbers(
    groups: NDArray[np.int64], folds: int, *, seed: int, strata: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Fold of each row, ``(N,)``, 0 to ``folds`` - 1: groups in random order, each to the fold that has least rows.

    Parameters
    ----------
    strata
        As for :func:`holdout_mask`: each fold then gets its share of every class.
    """
    of_row = np.zeros(len(groups), dtype=np.int64) if strata is None else _stratum_of_group(groups, strata)
    rng = np.random.default_rng(seed)
    number = np.zeros(len(groups), dtype=np.int64)
    in_all = np.zeros(folds, dtype=np.int64)
    for stratum in np.unique(of_row):
        rows = of_row == stratum
        unique, inverse, counts = np.unique(groups[rows], return_inverse=True, return_counts=True)
        fold_of_group = np.zeros(len(unique), dtype=np.int64)
        size = np.zeros(folds, dtype=np.int64)
        for group in rng.permutation(len(unique)):
            fold = int(np.lexsort((in_all, size))[0])
            fold_of_group[group] = fold
            size[fold] += counts[group]
            in_all[fold] += counts[group]
        number[rows] = fold_of_group[inverse]
    return number


def study_holdout(count: int, *, seed: int) -> NDArray[np.bool_]:
    """The study's 80/20: mask ``(count,)`` of a fifth of all rows, each drawn alone, so that copies are parted."""
    return holdout_mask(np.arange(count), 0.2, seed=seed)


def eighty_twenty(dataset: FaceDataset, *, together: bool, seed: int) -> FaceDataset:
    """The labelled rows of Training, newly parted into four fifths Training and one fifth Validation.

    Parameters
    ----------
    together
        Keep all copies of an image on one side; else each row is drawn alone, as the study did.
    seed
        Of the draw.

    Raises
    ------
    DataError
        There is no Training.
    """
    training = dataset.split(TRAINING)
    labelled = training.select(training.labels != UNLABELLED)
    held = holdout_mask(labelled.groups, 0.2, seed=seed) if together else study_holdout(len(labelled), seed=seed)
    return dataclasses.replace(labelled, splits=np.where(held, VALIDATION, TRAINING))


def study_sample(dataset: FaceDataset, *, training: int, validation: int, seed: int) -> NDArray[np.str_]:
    """The study's sample for the classical models: so many rows of each class for each of two splits, the rest unused.

    Raises
    ------
    DataError
        A class has fewer rows, or no row has a label.
    """
    labels = dataset.labels
    if (labels == UNLABELLED).all():
        raise DataError(f"{dataset.name}: no row has a label to draw a sample of each class by; take another --method")
    names = np.full(len(labels), UNUSED, dtype="<U16")
    rng = np.random.default_rng(seed)
    for code in np.unique(labels[labels != UNLABELLED]):
        rows = rng.permutation(np.flatnonzero(labels == code))
        if len(rows) < training + validation:
            label = dataset.taxonomy.labels[code]
            raise DataError(f"'{label}' has {len(rows):,} rows; {training} + {validation} were asked for")
        names[rows[:training]] = TRAINING
        names[rows[training : training + validation]] = VALIDATION
    return names


def _stratum_of_group(groups: NDArray[np.int64], strata: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return strata[first][inverse]
