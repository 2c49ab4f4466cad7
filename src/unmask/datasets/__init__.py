"""Face data sets in one form: layouts, votes, splits."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets import ferplus
from unmask.datasets.base import UNLABELLED, FaceDataset, LeftOut
from unmask.datasets.fer2013 import load_fer2013

__all__ = ["UNLABELLED", "FaceDataset", "LeftOut", "load_dataset"]


def load_dataset(path: str | Path, *, ferplus_path: str | Path | None = None) -> FaceDataset:
    """A data set from a file, in whatever known layout.

    Parameters
    ----------
    path
        FER2013 in one of its CSV layouts.
    ferplus_path
        FER+'s votes, to be laid beside FER2013's rows.

    Raises
    ------
    InputError
        A file cannot be opened.
    DataError
        The layout is unknown, a row is damaged, or the votes do not belong to the rows.
    """
    dataset = load_fer2013(path)
    return dataset if ferplus_path is None else ferplus.join(dataset, ferplus_path)
