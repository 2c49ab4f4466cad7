"""The one form that every data set takes in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError, UnknownSplitError, suggest
from unmask.expressions import Taxonomy

UNLABELLED = -1

SKIP_IT = "pass over it with skip_bad (--skip-bad)"
NEXT_STEP = f"mend it, or {SKIP_IT}"
"""End of every message about a row that is damaged."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One row or file that a load with ``skip_bad`` passed over: ``where`` names it, ``reason`` says why."""

    where: str
    reason: str


@dataclass(frozen=True)
class FaceDataset:
    """Face crops with labels, votes and splits, row by row.

    Parameters
    ----------
    name
        What it is, for messages and model cards.
    images
        Grey crops, ``uint8 (N, H, W)``.
    labels
        Codes of ``taxonomy``, ``int64 (N,)``; -1 where a row has none.
    taxonomy
        What the codes mean.
    splits
        Name of each row's split, ``str (N,)``, for example ``Training``.
    checksum
        SHA-256 of the file that the rows came from; of a data set of many files, of their names and contents.
    votes
        Votes of FER+'s taggers, ``uint8 (N, 10)``: its eight classes, unknown, not a face. None where there are none.
    subjects
        Who each row shows, ``str (N,)``, empty where unknown. None where nobody knows.
    names
        File that each row came from, relative to the data set, ``str (N,)``. None where rows are not files.
    left_out
        What a load with ``skip_bad`` passed over.

    Raises
    ------
    DataError
        Arrays of different length, of the wrong dtype, or codes outside the taxonomy.
    """

    name: str
    images: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    taxonomy: Taxonomy
    splits: NDArray[np.str_] = field(repr=False)
    checksum: str
    votes: NDArray[np.uint8] | None = field(default=None, repr=False)
    subjects: NDArray[np.str_] | None = field(default=None, repr=False)
    names: NDArray[np.str_] | None = field(default=None, repr=False)
    left_out: tuple[LeftOut, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 3:
            raise DataError(
                f"{self.name}: expected images uint8 (N, H, W), got {self.images.dtype} {self.images.shape}"
            )
        columns = {
            "labels": self.labels,
            "splits": self.splits,
            "votes": self.votes,
            "subjects": self.subjects,
            "names": self.names,
        }
        for what, column in columns.items():
            if column is not None and len(column) != len(self.images):
                raise DataError(f"{self.name}: {len(self.images)} images, but {len(column)} {what}")
        bad = np.flatnonzero((self.labels < UNLABELLED) | (self.labels >= len(self.taxonomy)))
        if len(bad):
            raise DataError(
                f"{self.name}: row {bad[0]} has label {self.labels[bad[0]]}; "
                f"expected 0 to {len(self.taxonomy) - 1} ('{self.taxonomy.name}')"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def credit(self) -> str:
        """The name, with the terms of the pictures where they are known: for the licence of what learns from them."""
        return f"{self.name}, whose pictures are for research use" if self.name == "FER2013" else self.name

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Group of each row, ``(N,)``: pixel-identical images share a number."""
        flat = np.ascontiguousarray(self.images).reshape(len(self), self.images.shape[1] * self.images.shape[2])
        keys = flat.view(np.dtype((np.void, flat.shape[1]))).ravel()
        return np.unique(keys, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what a model learns from and is measured on.

        The file's checksum, the size of the crops, labels, votes, subjects and splits.
        """
        digest = hashlib.sha256(f"{self.checksum} {self.images.shape}".encode())
        for column in (self.labels, self.votes):
            digest.update(b"none" if column is None else np.ascontiguousarray(column).tobytes())
        for names in (self.subjects, self.splits):
            digest.update(b"none" if names is None else "\n".join(map(str, names.tolist())).encode())
        return digest.hexdigest()

    @cached_property
    def division(self) -> str:
        """SHA-256 of the split of each row: by it, splits of the same names are told apart."""
        return hashlib.sha256("\n".join(map(str, self.splits.tolist())).encode()).hexdigest()

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> FaceDataset:
        """The given rows (a mask or positions), in that order."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            splits=self.splits[rows],
            votes=None if self.votes is None else self.votes[rows],
            subjects=None if self.subjects is None else self.subjects[rows],
            names=None if self.names is None else self.names[rows],
        )

    def row_name(self, row: int) -> str:
        """What to call a row to a person: its file, or its number counted from 0."""
        return f"row {row}" if self.names is None else str(self.names[row])

    def split(self, name: str) -> FaceDataset:
        """The rows of one split. Raises UnknownSplitError when no row carries that name."""
        mask = self.splits == name
        if not mask.any():
            raise UnknownSplitError(f"{self.name} has no split '{name}'; {suggest(name, set(self.splits.tolist()))}")
        return self.select(mask)

    def copies_of(self, name: str) -> NDArray[np.bool_]:
        """Mask ``(N,)`` of the rows whose pixels also stand in split ``name`` (the rows of that split included)."""
        return np.isin(self.groups, self.groups[self.splits == name])
