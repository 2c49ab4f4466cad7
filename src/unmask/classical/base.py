"""What every feature shares: the images that it takes, and how it goes through many of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from unmask.errors import DataError, ModelError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph

Images = NDArray[np.uint8]
"""Grey face crops, ``(N, S, S)``, 0 to 255."""

Features = NDArray[np.float32]
"""One row a face, ``(N, D)``."""

BLOCK = 128
"""Faces that are worked on at once, so that what lies between two steps stays small."""


class ImageFeature(TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """Images to features, as a scikit-learn transformer. It never sees labels.

    A subclass writes :meth:`_block`, :meth:`_learn` where there is something to learn, and :meth:`to_graph` so that
    what is computed here can be saved.
    """

    def fit(self, images: Images, y: object = None) -> Self:
        """Learn what the feature learns, without labels. Raises DataError for anything but images."""
        images = check_images(images)
        self.side_ = int(images.shape[1])
        self._learn(images)
        return self

    def transform(self, images: Images) -> Features:
        """Features ``float32 (N, D)`` of images of the size that :meth:`fit` saw."""
        images = check_images(images, side=self.side_)
        if not len(images):
            return self._block(np.zeros((1, *images.shape[1:]), dtype=np.uint8))[:0]
        first = self._block(images[:BLOCK])
        # Tens of thousands of columns: blocks that are joined at the end would need twice the memory.
        features = np.empty((len(images), first.shape[1]), dtype=np.float32)
        features[:BLOCK] = first
        for start in range(BLOCK, len(images), BLOCK):
            features[start : start + BLOCK] = self._block(images[start : start + BLOCK])
        return features

    def _learn(self, images: Images) -> None:
        """Set the learned attributes, whose names end in ``_``. Most features learn nothing."""

    @abstractmethod
    def _block(self, images: Images) -> Features:
        """Features of a few images, ``(B, S, S)`` to ``(B, D)``."""

    def to_graph(self, graph: Graph, crops: str) -> str:
        """The same computation as ONNX operators, from the value ``crops`` to the value that is returned.

        Raises
        ------
        ModelError
            The feature cannot be saved.
        """
        raise ModelError(f"{type(self).__name__} cannot be saved in a model file; choose another feature")


class Union(ImageFeature):
    """Several features side by side.

    Parameters
    ----------
    parts
        The features, in order.
    """

    def __init__(self, *, parts: Sequence[ImageFeature]) -> None:
        self.parts = parts

    def _learn(self, images: Images) -> None:
        self.parts_ = [clone_feature(part).fit(images) for part in self.parts]

    def _block(self, images: Images) -> Features:
        return np.hstack([part.transform(images) for part in self.parts_])

    def to_graph(self, graph: Graph, crops: str) -> str:
        return graph.op("Concat", *[part.to_graph(graph, crops) for part in self.parts_], axis=1)


class Mirrored(ImageFeature):
    """A feature of the picture and of its mirror image.

    Parameters
    ----------
    feature
        What to compute of both.
    even
        Only the mean of the two. A linear model with a convex loss on that mean is the linear model that learns from
        the pictures and all their mirror images: swapping a picture with its mirror image changes nothing in that
        task, so neither does it in its solution. Without it: both, side by side.
    """

    def __init__(self, *, feature: ImageFeature, even: bool = True) -> None:
        self.feature, self.even = feature, even

    def _learn(self, images: Images) -> None:
        self.feature_ = clone_feature(self.feature).fit(images)

    def _block(self, images: Images) -> Features:
        ahead, mirrored = (self.feature_.transform(view) for view in (images, images[:, :, ::-1]))
        return np.asarray((ahead + mirrored) / 2) if self.even else np.hstack([ahead, mirrored])

    def to_graph(self, graph: Graph, crops: str) -> str:
        flipped = graph.op("Gather", crops, graph.constant(np.arange(self.side_)[::-1].astype(np.int64)), axis=2)
        ahead, mirrored = (self.feature_.to_graph(graph, view) for view in (crops, flipped))
        if not self.even:
            return graph.op("Concat", ahead, mirrored, axis=1)
        return graph.op("Mul", graph.op("Add", ahead, mirrored), graph.constant(np.float32(0.5)))


def clone_feature(feature: ImageFeature) -> ImageFeature:
    """The same feature, unfitted."""
    from sklearn.base import clone

    fresh: ImageFeature = clone(feature)
    return fresh


def check_images(images: Any, *, side: int | None = None) -> Images:
    """The images, if they are what a feature takes.

    Raises
    ------
    DataError
        Another dtype or shape; the message shows what was expected.
    """
    size = side or "S"
    found = f"{getattr(images, 'dtype', type(images).__name__)} {getattr(images, 'shape', '')}"
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 3:
        raise DataError(f"expected images uint8 (N, {size}, {size}), got {found}")
    if images.shape[1] != images.shape[2] or (side and images.shape[1] != side) or images.shape[1] < 3:
        raise DataError(f"expected images uint8 (N, {size}, {size}), got {found}")
    return images
