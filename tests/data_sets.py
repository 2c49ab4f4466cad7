"""Small data sets that tests train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unmask.datasets.base import FaceDataset
from unmask.expressions import FER2013


def make_bars() -> FaceDataset:
    """Two classes that a child could tell apart: bright above (3, happy) or bright below (4, sad), with votes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, 5, 300)
    images = rng.integers(0, 60, (300, 48, 48))
    images[labels == 3, :24] += 150
    images[labels == 4, 24:] += 150
    votes = np.zeros((300, 10), dtype=np.uint8)
    votes[labels == 3, 1] = 10
    votes[labels == 4, 3] = 10
    splits = np.where(np.arange(300) < 240, "Training", "PublicTest")
    images[290:] = images[:10]  # ten of PublicTest are copies of Training
    labels[290:], votes[290:] = labels[:10], votes[:10]
    return FaceDataset("bars", images.astype(np.uint8), labels, FER2013, splits, "0" * 64, votes)


def write_csv(dataset: FaceDataset, path: Path) -> Path:
    """The data set in FER2013's layout, without votes."""
    lines = ["emotion,pixels,Usage"]
    for image, label, split in zip(dataset.images, dataset.labels, dataset.splits, strict=True):
        lines.append(f"{label},{' '.join(map(str, image.ravel()))},{split}")
    path.write_text("\n".join(lines) + "\n")
    return path
