"""Pixels as they are, and eigenfaces: the principal components of pixels.

Turk and Pentland, "Eigenfaces for recognition" (doi:10.1162/jocn.1991.3.1.71).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.classical.base import Features, ImageFeature, Images
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph


class Pixels(ImageFeature):
    """Every pixel a number, 0 to 255, row by row."""

    def _block(self, images: Images) -> Features:
        return images.reshape(len(images), -1).astype(np.float32)

    def to_graph(self, graph: Graph, crops: str) -> str:
        return graph.flat(graph.op("Cast", crops, to=graph.FLOAT))


class Eigenfaces(ImageFeature):
    """How much of each eigenface stands in a face.

    Parameters
    ----------
    components
        How many eigenfaces are kept; at most as many as there are images to learn from, or pixels.
    """

    def __init__(self, *, components: int = 300) -> None:
        self.components = components

    def _learn(self, images: Images) -> None:
        from sklearn.decomposition import PCA

        pixels = images.reshape(len(images), -1).astype(np.float32)
        most = min(pixels.shape) if len(pixels) > 1 else 0  # one image differs from no other
        if not 1 <= self.components <= most:
            raise ConfigError(
                f"components = {self.components}: expected 1 to {most}, as {len(images)} images of "
                f"{pixels.shape[1]} pixels give no more; ask for fewer, or learn from more images"
            )
        many = len(pixels) >= pixels.shape[1]
        pca = PCA(self.components, svd_solver="covariance_eigh" if many else "full").fit(pixels)
        self.mean_face_: NDArray[np.float32] = pca.mean_.reshape(self.side_, self.side_)
        self.eigenfaces_: NDArray[np.float32] = pca.components_.reshape(-1, self.side_, self.side_)
        self.explained_: NDArray[np.float32] = pca.explained_variance_ratio_

    def _block(self, images: Images) -> Features:
        centred = (images - self.mean_face_).reshape(len(images), -1)
        return np.asarray(centred @ self.eigenfaces_.reshape(self.components, -1).T, dtype=np.float32)

    def reconstruct(self, images: Images, *, rank: int) -> NDArray[np.float32]:
        """The images as the first ``rank`` eigenfaces tell them, ``(N, S, S)`` in grey values, not clipped."""
        flat = self.eigenfaces_[:rank].reshape(-1, self.side_**2)
        faces = self.transform(images)[:, :rank] @ flat
        return np.asarray(faces.reshape(images.shape) + self.mean_face_)

    def to_graph(self, graph: Graph, crops: str) -> str:
        pixels = graph.flat(graph.op("Cast", crops, to=graph.FLOAT))
        centred = graph.op("Sub", pixels, graph.constant(self.mean_face_.reshape(1, -1)))
        return graph.op("MatMul", centred, graph.constant(self.eigenfaces_.reshape(self.components, -1).T))
