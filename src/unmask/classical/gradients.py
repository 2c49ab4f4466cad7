"""Histograms of oriented gradients, on a grid (HOG) or around every point (dense SIFT).

Both sort each pixel's gradient by its direction into a few maps and sum the maps over places with weights that fall off
linearly. Sums over regular places are products with two small matrices, rows and columns apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.classical.base import Features, ImageFeature, Images
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph

_TINY = 1e-6


def gradient_maps(images: Images, *, orientations: int, signed: bool) -> NDArray[np.float32]:
    """Strength of the gradient by direction, ``(N, H, W)`` to ``(N, orientations, H, W)``.

    Each pixel's strength is shared between the two directions next to its own, in proportion. Direction 0 is from left
    to right (from dark to bright), the others follow clockwise as seen.

    Parameters
    ----------
    orientations
        How many directions there are, over the whole circle if ``signed``, else over the half.
    signed
        Whether bright to dark and dark to bright are different directions.
    """
    grey = images.astype(np.float32)
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    strength = np.sqrt(across * across + down * down)
    circle = 2 * np.pi if signed else np.pi
    place = np.arctan2(down, across) / (circle / orientations)  # in steps from one direction to the next
    maps = np.empty((len(images), orientations, *images.shape[1:]), dtype=np.float32)
    for number in range(orientations):
        away = place - number
        away -= orientations * np.round(away / orientations)
        maps[:, number] = strength * np.maximum(0, 1 - np.abs(away))
    return maps


def gradient_maps_graph(graph: Graph, crops: str, *, orientations: int, signed: bool) -> str:
    """:func:`gradient_maps` as ONNX operators, the angle to each direction by its cosine."""
    grey = graph.op("Unsqueeze", graph.op("Cast", crops, to=graph.FLOAT), graph.constant(np.array([1])))
    kernel = np.zeros((2, 1, 3, 3), dtype=np.float32)
    kernel[0, 0, 1] = kernel[1, 0, :, 1] = (-1, 0, 1)
    # Outside the image the gradient is 0, not the step to a black border: the outermost lines are cut off and laid
    # around again as zeros, each for its own direction.
    across = graph.op("Conv", grey, graph.constant(kernel[:1, :, 1:2]))
    down = graph.op("Conv", grey, graph.constant(kernel[1:, :, :, 1:2]))
    across = graph.op("Pad", across, graph.constant(np.array([0, 0, 0, 1, 0, 0, 0, 1])))
    down = graph.op("Pad", down, graph.constant(np.array([0, 0, 1, 0, 0, 0, 1, 0])))
    squares = graph.op("Add", graph.op("Mul", across, across), graph.op("Mul", down, down))
    strength = graph.op("Sqrt", squares)
    step = (2 * np.pi if signed else np.pi) / orientations
    angles = step * np.arange(orientations, dtype=np.float64)
    shape = (1, orientations, 1, 1)
    along = graph.op(
        "Add",
        graph.op("Mul", across, graph.constant(np.cos(angles).astype(np.float32).reshape(shape))),
        graph.op("Mul", down, graph.constant(np.sin(angles).astype(np.float32).reshape(shape))),
    )
    along = along if signed else graph.op("Abs", along)
    cosine = graph.op("Div", along, graph.op("Max", strength, graph.constant(np.float32(_TINY))))
    cosine = graph.op("Clip", cosine, graph.constant(np.float32(-1)), graph.constant(np.float32(1)))
    away = graph.op("Mul", graph.op("Acos", cosine), graph.constant(np.float32(1 / step)))
    near = graph.op("Relu", graph.op("Sub", graph.constant(np.float32(1)), away))
    return graph.op("Mul", strength, near)


def pooling(centres: NDArray[np.floating], width: float, side: int) -> NDArray[np.float32]:
    """Weights ``(len(centres), side)`` that fall from 1 at each centre to 0 at ``width`` pixels from it."""
    distance = np.abs(np.arange(side) - np.asarray(centres, dtype=np.float64)[:, None])
    return np.maximum(0, 1 - distance / width).astype(np.float32)


def unit(values: NDArray[np.float32], *, floor: float, clip: float | None = None) -> NDArray[np.float32]:
    """Vectors along the last axis brought to length 1, those much shorter than ``floor`` left short.

    With ``clip`` no component exceeds it and the length is made 1 again: one strong edge does not drown the rest.
    """
    values = values / (np.linalg.norm(values, axis=-1, keepdims=True) + np.float32(floor))
    return values if clip is None else unit(np.minimum(values, np.float32(clip)), floor=_TINY)


def unit_graph(graph: Graph, values: str, *, floor: float, clip: float | None = None) -> str:
    """:func:`unit` as ONNX operators."""
    length = graph.op("ReduceL2", values, graph.constant(np.array([-1])), keepdims=1)
    values = graph.op("Div", values, graph.op("Add", length, graph.constant(np.float32(floor))))
    if clip is None:
        return values
    return unit_graph(graph, graph.op("Min", values, graph.constant(np.float32(clip))), floor=_TINY)


class Hog(ImageFeature):
    """Histograms of oriented gradients in cells, brought to a common strength in blocks of two by two cells.

    Dalal and Triggs, "Histograms of oriented gradients for human detection" (doi:10.1109/CVPR.2005.177). Blocks overlap
    by one cell, so that every inner cell stands in four of them.

    Parameters
    ----------
    cell
        Side of a cell, in pixels; the side of the image must be a multiple of it.
    orientations
        Directions in a histogram.
    signed
        See :func:`gradient_maps`.
    """

    def __init__(self, *, cell: int = 6, orientations: int = 9, signed: bool = False) -> None:
        self.cell, self.orientations, self.signed = cell, orientations, signed

    def _learn(self, images: Images) -> None:
        if self.side_ % self.cell or self.side_ < 2 * self.cell:
            raise ConfigError(
                f"cell = {self.cell}: the side of the image, {self.side_}, must be a multiple of it, twice at least"
            )
        middles = np.arange(self.side_ // self.cell) * self.cell + (self.cell - 1) / 2
        self.pooling_ = pooling(middles, self.cell, self.side_)

    def cells(self, images: Images) -> NDArray[np.float32]:
        """The histograms before blocks are made of them, ``(N, cells, cells, orientations)``."""
        maps = gradient_maps(images, orientations=self.orientations, signed=self.signed)
        return np.ascontiguousarray((self.pooling_ @ maps @ self.pooling_.T).transpose(0, 2, 3, 1))

    def _block(self, images: Images) -> Features:
        cells = self.cells(images)
        corners = (cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:])
        blocks = unit(np.concatenate(corners, axis=-1), floor=1.0, clip=0.2)
        return blocks.reshape(len(images), -1)

    def to_graph(self, graph: Graph, crops: str) -> str:
        maps = gradient_maps_graph(graph, crops, orientations=self.orientations, signed=self.signed)
        pooled = graph.op("MatMul", graph.constant(self.pooling_), maps)
        cells = graph.op("MatMul", pooled, graph.constant(np.ascontiguousarray(self.pooling_.T)))
        cells = graph.op("Transpose", cells, perm=[0, 2, 3, 1])
        last = self.side_ // self.cell - 1
        corners = []
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            begin, end = np.array([row, column]), np.array([row + last, column + last])
            corners.append(
                graph.op("Slice", cells, graph.constant(begin), graph.constant(end), graph.constant(np.array([1, 2])))
            )
        return graph.flat(unit_graph(graph, graph.op("Concat", *corners, axis=-1), floor=1.0, clip=0.2))
