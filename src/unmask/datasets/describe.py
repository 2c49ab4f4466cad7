"""What is in a data set: classes by split, pixels, first rows, and how far its labels agree with FER+'s taggers."""

from __future__ import annotations

from typing import Any

import numpy as np

from unmask.datasets import ferplus
from unmask.datasets.audit import ordered_splits
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.expressions import FERPLUS

FIRST_ROWS, FIRST_PIXELS = 5, 3


def describe(dataset: FaceDataset) -> dict[str, Any]:
    """Every figure of ``unmask data describe``, ready for JSON.

    Returns
    -------
    ``name``, ``checksum``, ``rows``, ``size`` (height, width), ``taxonomy``, ``codes`` (label by code), ``splits`` (for
    each its ``rows``, ``unlabelled`` and ``classes``), ``pixels`` (``mean``, ``std``, ``min``, ``max`` of all pixels),
    ``first_rows`` (code and first pixels, as the study shows them), ``subjects`` (how many), and with votes ``ferplus``
    (see :func:`agreement`). Means and deviations are of grey values 0 to 255.
    """
    labels = [str(label) for label in dataset.taxonomy.labels]
    splits = {}
    for split in ordered_splits(dataset.splits):
        codes = dataset.labels[dataset.splits == split]
        counts = np.bincount(codes[codes != UNLABELLED], minlength=len(labels)).tolist()
        splits[split] = {
            "rows": len(codes),
            "unlabelled": int((codes == UNLABELLED).sum()),
            "classes": dict(zip(labels, counts, strict=True)),
        }
    subjects = None
    if dataset.subjects is not None:
        subjects = len(np.unique(dataset.subjects[dataset.subjects != ""]))
    return {
        "name": dataset.name,
        "checksum": dataset.checksum,
        "rows": len(dataset),
        "size": list(dataset.images.shape[1:]),
        "taxonomy": dataset.taxonomy.name,
        "codes": dict(enumerate(labels)),
        "splits": splits,
        "pixels": _pixels(dataset),
        "first_rows": [
            {"label": int(label), "pixels": image.ravel()[:FIRST_PIXELS].tolist()}
            for label, image in zip(dataset.labels[:FIRST_ROWS], dataset.images[:FIRST_ROWS], strict=True)
        ],
        "subjects": subjects,
        "ferplus": None if dataset.votes is None else agreement(dataset),
    }


def agreement(dataset: FaceDataset) -> dict[str, Any]:
    """How far the data set's own labels and FER+'s votes go together.

    Returns
    -------
    ``majority_rows``: by split, how many rows FER+'s majority rule keeps, and ``majority_classes`` how many of each of
    its classes. ``plurality``: over the rows whose most voted column names an expression, the share in which it is the
    row's label. ``classes``: for each label, the ``rows`` with a majority and the share ``agree`` of these in which it
    is the label (None without such rows).
    """
    assert dataset.votes is not None
    codes = ferplus.majority(dataset.votes)
    kept = codes != UNLABELLED
    own = np.array([FERPLUS.code(label) for label in dataset.taxonomy.labels])
    as_ferplus = np.where(dataset.labels == UNLABELLED, UNLABELLED, own[dataset.labels])
    labelled = as_ferplus != UNLABELLED
    top = dataset.votes.argmax(axis=1)
    named = labelled & (top < len(FERPLUS))
    classes = {}
    for code, label in enumerate(dataset.taxonomy.labels):
        rows = kept & (dataset.labels == code)
        share = float((codes[rows] == own[code]).mean()) if rows.any() else None
        classes[str(label)] = {"rows": int(rows.sum()), "agree": share}
    order = ordered_splits(dataset.splits)
    majority = {split: codes[kept & (dataset.splits == split)] for split in order}
    names = [str(label) for label in FERPLUS.labels]
    return {
        "majority_rows": {split: len(rows) for split, rows in majority.items()},
        "majority_classes": {
            split: dict(zip(names, np.bincount(rows, minlength=len(names)).tolist(), strict=True))
            for split, rows in majority.items()
        },
        "plurality": {
            "rows": int(named.sum()),
            "agree": float((top == as_ferplus)[named].mean()) if named.any() else None,
        },
        "classes": classes,
    }


def _pixels(dataset: FaceDataset) -> dict[str, float]:
    """Of all pixels together, computed from their histogram so that no copy in floating point is needed."""
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(dataset), 1024):
        counts += np.bincount(dataset.images[start : start + 1024].ravel(), minlength=256)
    greys = np.arange(256)
    total = max(int(counts.sum()), 1)
    mean = float(counts @ greys / total)
    present = np.flatnonzero(counts)
    return {
        "mean": mean,
        "std": float(np.sqrt(counts @ (greys - mean) ** 2 / total)),
        "min": int(present[0]) if len(present) else 0,
        "max": int(present[-1]) if len(present) else 0,
    }
