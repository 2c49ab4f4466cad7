"""A bag of visual words over dense SIFT descriptors, with a spatial pyramid.

Csurka et al., "Visual categorization with bags of keypoints" (ECCV 2004 workshop); Lazebnik et al., "Beyond bags of
features" (doi:10.1109/CVPR.2006.68). On FER2013: Ionescu et al., "Local learning to improve bag of visual words model
for facial expression recognition" (ICML 2013 workshop). Words are entered by the triangle rule of Coates et al., "An
analysis of single-layer networks in unsupervised feature learning" (AISTATS 2011), here with squared distances: then
the nearness to a word is linear in the descriptor, and all words cost one matrix product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.classical.base import Features, ImageFeature, Images
from unmask.classical.gradients import gradient_maps, gradient_maps_graph, pooling, unit, unit_graph
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph

BINS, ORIENTATIONS = 4, 8
"""SIFT's layout: four by four places of eight directions (Lowe, doi:10.1023/B:VISI.0000029664.99615.94)."""

SAMPLED_IMAGES = 2000
"""At most so many images give descriptors to learn the words from."""

DESCRIPTORS_A_WORD = 150

_FLOOR = 30.0  # grey values: what is much flatter than this is noise


def grid_centres(side: int, *, width: float, stride: int) -> NDArray[np.float64]:
    """Where the middles of descriptors lie along one side, symmetric about its middle.

    The outermost descriptor reaches one place beyond the border: what a face shows at its edge counts.
    """
    margin = width
    count = int((side - 1 - 2 * margin) // stride) + 1
    return np.asarray((side - 1) / 2 + stride * (np.arange(count) - (count - 1) / 2))


def dense_sift(images: Images, *, width: float, stride: int) -> NDArray[np.float32]:
    """SIFT descriptors of upright patches on a grid, ``(N, H, W)`` to ``(N, points, 128)``.

    Lowe's descriptor without its turning to a main direction and without its weighting towards the middle. The square
    root of each component is taken, so that a straight comparison is Hellinger's (Arandjelovic and Zisserman,
    doi:10.1109/CVPR.2012.6248018).

    Parameters
    ----------
    width
        Side of one of the four by four places, in pixels; the patch has four times as much.
    stride
        From one point to the next, in pixels.
    """
    maps = gradient_maps(images, orientations=ORIENTATIONS, signed=True)
    weights, points = _places(images.shape[1], width, stride)
    pooled = np.asarray(weights @ maps @ weights.T, dtype=np.float32)  # (N, 8, points * 4, points * 4)
    shape = (len(images), ORIENTATIONS, points, BINS, points, BINS)
    descriptors = pooled.reshape(shape).transpose(0, 2, 4, 3, 5, 1).reshape(len(images), points**2, -1)
    return np.sqrt(unit(descriptors, floor=_FLOOR * width, clip=0.2))


def _places(side: int, width: float, stride: int) -> tuple[NDArray[np.float32], int]:
    centres = grid_centres(side, width=width, stride=stride)
    offsets = (np.arange(BINS) - (BINS - 1) / 2) * width
    return pooling((centres[:, None] + offsets).ravel(), width, side), len(centres)


class VisualWords(ImageFeature):
    """How much of each visual word stands in each cell of a spatial pyramid.

    Parameters
    ----------
    words
        How many are learned, by k-means on descriptors of the images.
    widths
        Sizes of descriptors, see :func:`dense_sift`.
    stride
        Between descriptors, in pixels.
    pyramid
        Cells along each side, level by level. A descriptor counts for the cells near it, less with distance.
    reach
        A descriptor counts for the words whose squared distance is below this share of the mean over all words.
    seed
        Of the drawing of descriptors and of k-means.
    """

    def __init__(
        self,
        *,
        words: int = 256,
        widths: tuple[float, ...] = (3.0, 4.5, 6.0),
        stride: int = 3,
        pyramid: tuple[int, ...] = (1, 2, 4),
        reach: float = 0.9,
        seed: int = 0,
    ) -> None:
        self.words, self.widths, self.stride = words, widths, stride
        self.pyramid, self.reach, self.seed = pyramid, reach, seed

    def descriptors(self, images: Images) -> NDArray[np.float32]:
        """Descriptors of every size, ``(N, points, 128)``."""
        return np.concatenate([dense_sift(images, width=width, stride=self.stride) for width in self.widths], axis=1)

    def _learn(self, images: Images) -> None:
        from sklearn.cluster import MiniBatchKMeans

        rng = np.random.default_rng(self.seed)
        drawn = rng.permutation(len(images))[:SAMPLED_IMAGES]
        wanted = DESCRIPTORS_A_WORD * self.words
        samples: list[NDArray[np.float32]] = []
        each = max(1, -(-wanted // len(drawn)))
        for start in range(0, len(drawn), 64):
            found = self.descriptors(images[drawn[start : start + 64]])
            samples.extend(one[rng.permutation(len(one))[:each]] for one in found)
        sample = np.concatenate(samples)
        sample = sample[np.linalg.norm(sample, axis=1) > 0.5]  # flat patches look like no word
        if len(sample) < self.words:
            raise ConfigError(
                f"words = {self.words}: the images give only {len(sample)} descriptors that are not flat; learn fewer "
                f"words, or from more images"
            )
        means = MiniBatchKMeans(
            self.words, random_state=self.seed, batch_size=4096, n_init=1, max_iter=20, compute_labels=False
        ).fit(sample)
        self.words_ = means.cluster_centers_.astype(np.float32)
        squares = (self.words_**2).sum(axis=1)
        # reach * mean(d^2) - d^2 for d^2 = x^2 + w^2 - 2 x w, the part without x^2:
        self.weights_ = (2 * (self.words_ - self.reach * self.words_.mean(axis=0))).T.copy()  # (128, words)
        self.offsets_ = self.reach * squares.mean() - squares
        self.cells_ = self._cells()

    def _cells(self) -> NDArray[np.float32]:
        """Weight of each point in each cell of the pyramid, ``(cells, points)``."""
        levels = []
        for count in self.pyramid:
            size = self.side_ / count
            middles = (np.arange(count) + 0.5) * size - 0.5
            sizes = []
            for width in self.widths:
                centres = grid_centres(self.side_, width=width, stride=self.stride)
                near = np.maximum(0, 1 - np.abs(centres - middles[:, None]) / size)  # (count, points along a side)
                near = near if count > 1 else np.ones_like(near)
                sizes.append(np.einsum("iy,jx->ijyx", near, near).reshape(count**2, -1))
            levels.append(np.hstack(sizes))
        weights = np.vstack(levels)
        if not weights.any(axis=1).all():
            raise ConfigError(
                f"pyramid = {list(self.pyramid)}: on crops of {self.side_} pixels some cells hold no point; take fewer "
                "cells, or larger crops"
            )
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)

    def nearness(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """How near each descriptor is to each word, 0 beyond reach: ``(..., 128)`` to ``(..., words)``."""
        flat = descriptors.reshape(-1, descriptors.shape[-1])
        squares = np.einsum("ij,ij->i", flat, flat)
        near = flat @ self.weights_
        near += self.offsets_
        near += (np.float32(self.reach - 1) * squares)[:, None]
        np.maximum(near, 0, out=near)
        return np.asarray(near.reshape(*descriptors.shape[:-1], -1))

    def _block(self, images: Images) -> Features:
        parts = [self.cells_ @ self.nearness(self.descriptors(part)) for part in np.array_split(images, 8) if len(part)]
        return np.concatenate([unit(np.sqrt(part), floor=1e-3).reshape(len(part), -1) for part in parts])

    def to_graph(self, graph: Graph, crops: str) -> str:
        maps = gradient_maps_graph(graph, crops, orientations=ORIENTATIONS, signed=True)
        sizes = []
        for width in self.widths:
            weights, points = _places(self.side_, width, self.stride)
            pooled = graph.op("MatMul", graph.constant(weights), maps)
            pooled = graph.op("MatMul", pooled, graph.constant(np.ascontiguousarray(weights.T)))
            split = graph.constant(np.array([0, ORIENTATIONS, points, BINS, points, BINS]))
            ordered = graph.op("Transpose", graph.op("Reshape", pooled, split), perm=[0, 2, 4, 3, 5, 1])
            rows = graph.op("Reshape", ordered, graph.constant(np.array([0, points**2, BINS * BINS * ORIENTATIONS])))
            sizes.append(graph.op("Sqrt", unit_graph(graph, rows, floor=_FLOOR * width, clip=0.2)))
        found = graph.op("Concat", *sizes, axis=1)
        near = graph.affine(found, self.weights_, self.offsets_)
        squares = graph.op("ReduceSumSquare", found, graph.constant(np.array([-1])), keepdims=1)
        near = graph.op("Add", near, graph.op("Mul", squares, graph.constant(np.float32(self.reach - 1))))
        summed = graph.op("MatMul", graph.constant(self.cells_), graph.op("Relu", near))
        return graph.flat(unit_graph(graph, graph.op("Sqrt", summed), floor=1e-3))
