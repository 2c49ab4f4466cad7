"""FER+: ten taggers' votes for every row of FER2013.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution"
(doi:10.1145/2993148.2993165). The published file has no pixels; its rows are FER2013's rows in the same order. The
image names in it drift and repeat, so they are never used to join.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.errors import DataError, InputError
from unmask.expressions import FERPLUS

COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)


def read_votes(path: str | Path) -> tuple[NDArray[np.str_], NDArray[np.uint8]]:
    """Read ``fer2013new.csv``: the split name ``(N,)`` and the votes ``(N, 10)`` of each row, in the file's order."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    except (ValueError, csv.Error):  # an empty file, another encoding
        raise DataError(f"{path}: not FER+'s layout; expected fer2013new.csv") from None
    missing = {"Usage", *COLUMNS} - set(header)
    if missing:
        raise DataError(f"{path}: not FER+'s layout, columns missing: {', '.join(sorted(missing))}")
    usage, *columns = (header.index(name) for name in ("Usage", *COLUMNS))
    splits, votes = [], np.zeros((len(rows), len(COLUMNS)), dtype=np.uint8)
    for number, row in enumerate(rows):
        try:
            split, counts = row[usage], [int(row[column]) for column in columns]
            if not all(0 <= count <= 255 for count in counts):
                raise ValueError
        except (IndexError, ValueError):
            raise DataError(
                f"{path}: line {number + 2}: expected ten vote counts 0 to 255 and the split, got {row!r}"[:300]
            ) from None
        splits.append(split)
        votes[number] = counts
    return np.array(splits, dtype=np.str_), votes


def join(dataset: FaceDataset, path: str | Path) -> FaceDataset:
    """FER2013 with FER+'s votes laid beside its rows.

    Raises
    ------
    DataError
        The two files do not have the same rows: another number of rows in a split that both name, or another order.
    """
    usage, votes = read_votes(path)
    if not np.array_equal(usage, dataset.splits):
        # A FER2013 file without the test splits is joined to the votes of the splits that it has.
        present = np.isin(usage, np.unique(dataset.splits))
        usage, votes = usage[present], votes[present]
    if not np.array_equal(usage, dataset.splits):
        raise DataError(
            f"{path}: has {len(usage)} rows for the splits of {dataset.name}, which has {len(dataset)}; "
            "FER+ joins by row, so give it the unshuffled FER2013 file with its Usage column"
        )
    return replace(dataset, votes=votes)


def distribution(votes: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Soft targets from votes.

    Returns
    -------
    ``(N, 8)`` shares of the votes that name an expression (uniform where none does), and ``(N,)`` the share of all
    votes that name one, which serves as the row's weight.
    """
    named = votes[:, : len(FERPLUS)].astype(np.float32)
    total = named.sum(axis=1)
    shares = np.where(total[:, None] > 0, named / np.maximum(total, 1)[:, None], 1 / len(FERPLUS))
    return shares.astype(np.float32), (total / np.maximum(votes.sum(axis=1), 1)).astype(np.float32)


def majority(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """FER+'s published majority rule: codes ``(N,)`` of the taxonomy ``ferplus``, -1 for rows that it leaves out.

    Single votes are dropped; the top column must hold more than half of what is left; rows whose top column is
    "unknown" or "not a face" are left out.
    """
    kept = np.where(votes > 1, votes, 0).astype(np.int64)
    top = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    return np.where(clear & (top < len(FERPLUS)), top, UNLABELLED)
