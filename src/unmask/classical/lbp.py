"""Local binary patterns, as the study defines them, and their histograms.

Ojala et al., "Multiresolution gray-scale and rotation invariant texture classification with local binary patterns"
(doi:10.1109/TPAMI.2002.1017623); grid histograms of faces: Ahonen et al. (doi:10.1109/TPAMI.2006.244).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.classical.base import BLOCK, Features, ImageFeature, Images
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
"""Row and column steps to the eight neighbours, along the circle from the left-top, clockwise."""


def lbp_images(images: Images, *, radius: int = 1) -> Images:
    """The pattern of every pixel: a centre greater than its neighbour writes 0, otherwise 1; eight digits, 0 to 255.

    The left-top neighbour writes the first, highest digit. Neighbours outside the image count as 0.

    Parameters
    ----------
    images
        ``uint8 (N, H, W)``.
    radius
        Steps to the neighbours, in pixels; the study's is 1.

    Notes
    -----
    scikit-image's ``local_binary_pattern(P=8, R=1)`` begins at the right, runs anticlockwise, gives the first neighbour
    the lowest digit, and takes the four diagonal neighbours at distance 1, between pixels, where the study takes the
    corner pixels. The digits of the four straight neighbours are the same; those of the diagonal ones are the same
    at ``R = sqrt(2)``.

    >>> lbp_images(np.array([[[9, 9, 1], [1, 5, 1], [1, 5, 1]]], np.uint8))[0, 1, 1]  # 11000100
    np.uint8(196)
    """
    codes = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), BLOCK):
        _write_codes(images[start : start + BLOCK], codes[start : start + BLOCK], radius)
    return codes


def _write_codes(images: Images, codes: Images, radius: int) -> None:
    count, height, width = images.shape
    padded = np.zeros((count, height + 2 * radius, width + 2 * radius), dtype=np.uint8)
    padded[:, radius:-radius, radius:-radius] = images
    codes[:] = 0
    digit = np.empty(images.shape, dtype=np.bool_)
    for row, column in NEIGHBOURS:
        top, left = radius * (1 + row), radius * (1 + column)
        np.less_equal(images, padded[:, top : top + height, left : left + width], out=digit)
        np.left_shift(codes, 1, out=codes)
        np.bitwise_or(codes, digit.view(np.uint8), out=codes)


def uniform_bins() -> NDArray[np.uint8]:
    """Bin of each of the 256 patterns, ``(256,)``.

    The 58 patterns with at most two changes along the circle have a bin each, in order; all others share the last.
    """
    codes = np.arange(256)
    changes = [bin(code ^ (code >> 1 | (code & 1) << 7)).count("1") for code in codes.tolist()]
    uniform = np.array(changes) <= 2
    bins = np.full(256, uniform.sum())
    bins[uniform] = np.arange(uniform.sum())
    return bins.astype(np.uint8)


class LbpImage(ImageFeature):
    """The pattern of every pixel as a picture, pixel by pixel, which is what the study fed to its models."""

    def _block(self, images: Images) -> Features:
        return lbp_images(images).reshape(len(images), -1).astype(np.float32)

    def to_graph(self, graph: Graph, crops: str) -> str:
        return graph.flat(_codes_graph(graph, crops, self.side_, 1))


class LbpHistogram(ImageFeature):
    """How often each pattern stands in each cell of a grid.

    Parameters
    ----------
    grid
        Cells along each side; the side of the image must be a multiple of it.
    radius
        See :func:`lbp_images`; one histogram each.
    uniform
        One bin for all patterns with more than two changes along the circle: 59 bins for 256.
    root
        The square roots of the shares, on which a straight comparison is Hellinger's.
    """

    def __init__(
        self, *, grid: int = 6, radius: tuple[int, ...] = (1,), uniform: bool = True, root: bool = True
    ) -> None:
        self.grid, self.radius, self.uniform, self.root = grid, radius, uniform, root

    def _learn(self, images: Images) -> None:
        if self.side_ % self.grid:
            raise ConfigError(f"grid = {self.grid}: the side of the image, {self.side_}, is no multiple of it")

    def _block(self, images: Images) -> Features:
        return np.hstack([self._histograms(lbp_images(images, radius=radius)) for radius in self.radius])

    def _table(self) -> NDArray[np.uint8]:
        return uniform_bins() if self.uniform else np.arange(256, dtype=np.uint8)

    def _histograms(self, codes: Images) -> Features:
        cell = self.side_ // self.grid
        table = self._table()
        bins = int(table.max()) + 1
        place = np.arange(self.side_) // cell
        cells = place[:, None] * self.grid + place  # (S, S)
        first = np.arange(len(codes))[:, None, None] * self.grid**2
        index = (first + cells) * bins + table[codes]
        counts = np.bincount(index.ravel(), minlength=len(codes) * self.grid**2 * bins)
        shares = counts.reshape(len(codes), -1).astype(np.float32) / cell**2
        return np.asarray(np.sqrt(shares) if self.root else shares, dtype=np.float32)

    def to_graph(self, graph: Graph, crops: str) -> str:
        table = self._table().astype(np.int64)
        depth = int(table.max()) + 1
        cell, grid = self.side_ // self.grid, self.grid
        parts = []
        for radius in self.radius:
            codes = graph.op("Cast", _codes_graph(graph, crops, self.side_, radius), to=graph.INT64)
            bins = graph.op("Gather", graph.constant(table), codes, axis=0)
            on_off = graph.constant(np.array([0, 1], dtype=np.float32))
            hot = graph.op("OneHot", bins, graph.constant(np.array([depth], dtype=np.int64)), on_off, axis=-1)
            split = graph.op("Reshape", hot, graph.constant(np.array([0, grid, cell, grid, cell * depth])))
            rows = graph.op("ReduceSum", split, graph.constant(np.array([2])), keepdims=0)
            split = graph.op("Reshape", rows, graph.constant(np.array([0, grid * grid, cell, depth])))
            counts = graph.op("ReduceSum", split, graph.constant(np.array([2])), keepdims=0)
            shares = graph.op("Div", graph.flat(counts), graph.constant(np.float32(cell**2)))
            parts.append(graph.op("Sqrt", shares) if self.root else shares)
        return graph.op("Concat", *parts, axis=1)


def _codes_graph(graph: Graph, crops: str, side: int, radius: int) -> str:
    """The patterns ``float32 (N, S, S)`` as ONNX operators."""
    pads = graph.constant(np.array([0, radius, radius, 0, radius, radius]))
    grey = graph.op("Cast", crops, to=graph.FLOAT)
    padded = graph.op("Pad", grey, pads)
    terms = []
    for number, (row, column) in enumerate(NEIGHBOURS):
        top, left = radius * (1 + row), radius * (1 + column)
        begin, end = graph.constant(np.array([top, left])), graph.constant(np.array([top + side, left + side]))
        neighbour = graph.op("Slice", padded, begin, end, graph.constant(np.array([1, 2])))
        digit = graph.op("Cast", graph.op("LessOrEqual", grey, neighbour), to=graph.FLOAT)
        terms.append(graph.op("Mul", digit, graph.constant(np.float32(2 ** (7 - number)))))
    return graph.op("Sum", *terms)
