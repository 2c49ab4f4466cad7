"""A support vector machine that scikit-learn does not have: it learns mirror images at the price of the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from unmask.classical.pairs import pair_machines, votes, votes_graph
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from unmask.classical.graph import Graph

Matrix = NDArray[np.float32]

BLOCK = 2048
"""Rows whose kernel is computed at once."""


def refuse_odd(features: Matrix, kind: str) -> None:
    """Raise ConfigError where the features are not those of pictures and mirror images side by side."""
    if features.shape[1] % 2:
        raise ConfigError(f"{kind} needs features of pictures and mirror images: kind = 'mirrored', even = false")


def rbf(first: Matrix, second: Matrix, gamma: float) -> Matrix:
    """``exp(-gamma |x - y|^2)`` of every pair of rows, ``(N, M)``."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * (first @ second.T)
    return np.asarray(np.exp(-np.float32(gamma) * np.maximum(squares, 0)))


class MirrorSVC(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An RBF support vector machine that learns from every picture and its mirror image at the price of the pictures.

    It takes the features of both, side by side (:class:`unmask.classical.base.Mirrored` with ``even=False``). Half
    the sum of the two parts is what mirroring leaves as it is, half their difference is what it turns into its
    negative; principal components of each half keep that, so a row's mirror image is the row with some signs turned.
    A machine that learns from all pictures and all mirror images gives both of a pair the same weight. The sum of the
    kernel over the pair, ``k(x, y) + k(x, mirrored y)``, gives that machine from half the rows (Haasdonk and Burkhardt,
    "Invariant kernel functions for pattern analysis and machine learning", doi:10.1007/s10994-007-5009-7).

    Parameters
    ----------
    components
        Principal components that are kept, of both halves together.
    penalty
        For errors: scikit-learn's ``C``.
    gamma
        Narrowness of the kernel, for rows of mean squared length 1.
    """

    def __init__(self, *, components: int = 200, penalty: float = 4.0, gamma: float = 1.0) -> None:
        self.components, self.penalty, self.gamma = components, penalty, gamma

    def fit(self, features: Matrix, y: NDArray[np.int64]) -> Self:
        """Learn from rows ``(N, 2 D)`` and their codes ``(N,)``."""
        from sklearn.svm import SVC

        refuse_odd(features, "mirror_svc")
        self._find_axes(features)
        rows = self.rows(features)
        machine = SVC(kernel="precomputed", C=self.penalty, cache_size=500).fit(self._kernel(rows, rows), y)
        self.classes_ = machine.classes_
        self.vectors_ = rows[machine.support_]
        self.weights_, self.offsets_ = pair_machines(machine)
        return self

    def _find_axes(self, features: Matrix) -> None:
        """Principal axes ``(2 D, components)`` over both parts, those that mirroring leaves alone first."""
        middle = features.shape[1] // 2
        even = (features[:, :middle] + features[:, middle:]) / 2
        odd = (features[:, :middle] - features[:, middle:]) / 2
        mean = even.mean(axis=0)
        values, axes = zip(*(_principal_axes(half, self.components) for half in (even - mean, odd)), strict=True)
        order = np.argsort(-np.concatenate(values))[: self.components]
        counts = (int((order < len(values[0])).sum()), int((order >= len(values[0])).sum()))
        first, second = (kept[:, :count] for kept, count in zip(axes, counts, strict=True))
        self.axes_ = np.hstack([np.vstack([first, first]), np.vstack([second, -second])]) / np.float32(2)
        self.turned_ = np.repeat(np.array([1, -1], dtype=np.float32), counts)
        rows = features @ self.axes_
        # Mirror images are part of what is learned from, and over both the odd components have the mean 0.
        self.mean_ = rows.mean(axis=0) * (self.turned_ > 0)
        self.scale_ = np.float32(1 / np.sqrt(max(float(((rows - self.mean_) ** 2).sum(axis=1).mean()), 1e-12)))

    def rows(self, features: Matrix) -> Matrix:
        """The principal components that the kernel sees, ``(N, components)``."""
        return np.asarray((features @ self.axes_ - self.mean_) * self.scale_)

    def _kernel(self, rows: Matrix, others: Matrix) -> NDArray[np.float64]:
        kernel = np.empty((len(rows), len(others)))  # float64 is what libsvm takes without a copy
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            kernel[start : start + BLOCK] = rbf(part, others, self.gamma)
            kernel[start : start + BLOCK] += rbf(part, others * self.turned_, self.gamma)
        return kernel

    def decision_function(self, features: Matrix) -> Matrix:
        """Scores ``(N, classes)``, see :func:`unmask.classical.pairs.votes`."""
        rows = self.rows(features)
        parts = [
            self._kernel(rows[start : start + BLOCK], self.vectors_) @ self.weights_ + self.offsets_
            for start in range(0, len(rows), BLOCK)
        ]
        return votes(np.concatenate(parts), len(self.classes_))

    def predict(self, features: Matrix) -> NDArray[np.int64]:
        return np.asarray(self.classes_[self.decision_function(features).argmax(axis=1)])

    def to_graph(self, graph: Graph, features: str) -> str:
        """The decision as ONNX operators: the support vectors and their mirror images, with the same weights."""
        rows = graph.affine(features, self.axes_ * self.scale_, -self.mean_ * self.scale_)
        kernels = [
            rbf_graph(graph, rows, vectors, self.gamma) for vectors in (self.vectors_, self.vectors_ * self.turned_)
        ]
        decisions = graph.affine(graph.op("Add", *kernels), self.weights_, self.offsets_)
        return votes_graph(graph, decisions, len(self.classes_))


def _principal_axes(half: NDArray[Any], most: int) -> tuple[Matrix, Matrix]:
    """Variances, highest first, and axes ``(D, K)`` of centred rows, by a random projection onto a little more."""
    from sklearn.utils.extmath import randomized_svd

    half = np.asarray(half, dtype=np.float32)
    _, lengths, axes = randomized_svd(half, min(most, *half.shape), n_iter=4, random_state=0)
    return lengths**2 / np.float32(len(half)), axes.T


def rbf_graph(graph: Graph, rows: str, vectors: Matrix, gamma: float) -> str:
    """:func:`rbf` against fixed rows, as ONNX operators."""
    squares = graph.op("ReduceSumSquare", rows, graph.constant(np.array([1])), keepdims=1)
    both = graph.affine(rows, -2 * vectors.T, (vectors**2).sum(axis=1))
    distance = graph.op("Relu", graph.op("Add", both, squares))
    return graph.op("Exp", graph.op("Mul", distance, graph.constant(np.float32(-gamma))))
