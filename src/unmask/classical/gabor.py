"""Gabor wavelets: how strongly a stripe of one width and direction stands in each part of the face.

Lyons et al., "Coding facial expressions with Gabor wavelets" (doi:10.1109/AFGR.1998.670949).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.classical.base import Features, ImageFeature, Images
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph


def gabor_filters(wavelengths: tuple[float, ...], orientations: int) -> list[NDArray[np.complex64]]:
    """A complex filter for each wavelength and direction: a wave under a Gaussian hill of the same width.

    The real part sums to 0, so that even brightness gives no answer, and the hill to 1.

    Parameters
    ----------
    wavelengths
        From crest to crest, in pixels.
    orientations
        Directions in which the wave runs, over the half circle.
    """
    filters = []
    for wavelength in wavelengths:
        sigma = wavelength / 2
        reach = int(np.ceil(2.5 * sigma))
        down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        hill = np.exp(-(down**2 + across**2) / (2 * sigma**2))
        hill /= hill.sum()
        for angle in np.pi * np.arange(orientations) / orientations:
            wave = np.exp(2j * np.pi * (across * np.cos(angle) + down * np.sin(angle)) / wavelength)
            filters.append((hill * (wave - (hill * wave).sum())).astype(np.complex64))
    return filters


class Gabor(ImageFeature):
    """Mean strength of each Gabor filter's answer in each cell of a grid; its square root, so that edges do not rule.

    Parameters
    ----------
    wavelengths, orientations
        See :func:`gabor_filters`.
    grid
        Cells along each side; the side of the image must be a multiple of it.
    """

    def __init__(
        self, *, wavelengths: tuple[float, ...] = (4.0, 6.0, 8.0, 12.0), orientations: int = 6, grid: int = 8
    ) -> None:
        self.wavelengths, self.orientations, self.grid = wavelengths, orientations, grid

    def _learn(self, images: Images) -> None:
        self.filters_ = gabor_filters(tuple(self.wavelengths), self.orientations)
        if self.side_ % self.grid:
            raise ConfigError(f"grid = {self.grid}: the side of the image, {self.side_}, is no multiple of it")
        if max(len(one) for one in self.filters_) // 2 >= self.side_:
            raise ConfigError(f"wavelengths = {self.wavelengths}: too long for images of {self.side_} pixels")

    def answers(self, images: Images) -> NDArray[np.float32]:
        """Strength of every filter's answer at every pixel, ``(N, filters, S, S)``; borders are mirrored."""
        import cv2

        stack = np.ascontiguousarray(images.transpose(1, 2, 0), dtype=np.float32)  # (S, S, N): faces as channels
        found = np.empty((len(self.filters_), *stack.shape), dtype=np.float32)
        for number, kernel in enumerate(self.filters_):
            real, imaginary = (
                cv2.filter2D(stack, cv2.CV_32F, np.ascontiguousarray(part)).reshape(stack.shape)
                for part in (kernel.real, kernel.imag)
            )
            found[number] = np.hypot(real, imaginary)
        return found.transpose(3, 0, 1, 2)

    def _block(self, images: Images) -> Features:
        cell = self.side_ // self.grid
        answers = self.answers(images)
        shape = (len(images), len(self.filters_), self.grid, cell, self.grid, cell)
        means = answers.reshape(shape).mean(axis=(3, 5))
        return np.asarray(np.sqrt(means)).reshape(len(images), -1)

    def to_graph(self, graph: Graph, crops: str) -> str:
        grey = graph.op("Unsqueeze", graph.op("Cast", crops, to=graph.FLOAT), graph.constant(np.array([1])))
        parts = []
        for start in range(0, len(self.filters_), self.orientations):
            kernels = np.stack(self.filters_[start : start + self.orientations])[:, None]
            reach = kernels.shape[-1] // 2
            around = graph.constant(np.array([0, 0, reach, reach, 0, 0, reach, reach]))
            padded = graph.op("Pad", grey, around, mode="reflect")
            answers = [graph.op("Conv", padded, graph.constant(part)) for part in (kernels.real, kernels.imag)]
            squares = graph.op("Add", *[graph.op("Mul", answer, answer) for answer in answers])
            cell = self.side_ // self.grid
            means = graph.op("AveragePool", graph.op("Sqrt", squares), kernel_shape=[cell, cell], strides=[cell, cell])
            parts.append(graph.op("Sqrt", means))
        return graph.flat(graph.op("Concat", *parts, axis=1))
