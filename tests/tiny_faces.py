"""Small made-up pictures for the tests of the classical study."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.classical import build_feature
from unmask.classical.base import ImageFeature
from unmask.classical.gradients import Hog
from unmask.classical.pixels import Pixels
from unmask.datasets import FaceDataset
from unmask.expressions import FER2013

SMALL: dict[str, dict[str, Any]] = {
    "eigenfaces": {"components": 5},
    "visual_words": {"words": 12, "stride": 8},
    "union": {"parts": [Pixels(), Hog(cell=8)]},
    "mirrored": {"feature": Hog(cell=8), "even": False},
}
"""Options that make the features of the contract small; the others stand on their own."""


def faces(count: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth grey pictures of 48 pixels, each another one."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6))
    return np.kron(coarse, np.ones((8, 8), dtype=np.int64)).astype(np.uint8)


def feature_named(kind: str) -> ImageFeature:
    """A small feature of every kind."""
    return build_feature(kind, **SMALL.get(kind, {}))


def bars() -> FaceDataset:
    """Seven classes told apart by where a bright bar lies; ten rows of PublicTest are copies of Training."""
    rng = np.random.default_rng(0)
    labels = np.arange(280) % 7
    images = rng.integers(0, 40, (280, 48, 48))
    for row, label in enumerate(labels):
        images[row, 6 * label : 6 * label + 6] += 180
    splits = np.where(np.arange(280) < 210, "Training", "PublicTest")
    images[270:] = images[200:210]
    labels[270:] = labels[200:210]
    return FaceDataset("bars", images.astype(np.uint8), labels.astype(np.int64), FER2013, splits, "0" * 64)
