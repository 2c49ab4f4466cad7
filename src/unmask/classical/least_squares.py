"""Least-squares support vector machines: one over all faces with an RBF kernel, and one anew for every face.

Suykens and Vandewalle, "Least squares support vector machine classifiers" (doi:10.1023/A:1018628609742): the margin's
inequalities become equations, one for a face, so that a machine is the solution of a linear system.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from unmask.classical.kernels import BLOCK, Matrix, refuse_odd


class MirrorLSSVM(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A least-squares machine with an RBF kernel that learns from every picture and its mirror image.

    It takes the features of both, side by side (:class:`unmask.classical.base.Mirrored` with ``even=False``), as they
    are: tens of thousands of columns cost one matrix product. As in :class:`unmask.classical.kernels.MirrorSVC` the
    kernel of two rows is ``k(x, y) + k(x, mirrored y)``; lengths and products are means over picture and mirror image,
    since mirroring may change a feature's length a little. The machine keeps all rows, so it is large and slow.

    Parameters
    ----------
    ridge
        On the diagonal of the equations; higher forgives more errors.
    gamma
        Narrowness of the kernel, for rows of variance 1 in all.
    """

    def __init__(self, *, ridge: float = 0.1, gamma: float = 0.5) -> None:
        self.ridge, self.gamma = ridge, gamma

    def fit(self, features: Matrix, y: NDArray[np.int64]) -> Self:
        """Learn from rows ``(N, 2 D)`` and their codes ``(N,)``; takes 8 bytes for every pair of rows."""
        from scipy.linalg import cho_factor, cho_solve

        refuse_odd(features, "mirror_ls_svm")
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.rows_ = np.asarray(features, dtype=np.float32)
        self.squares_ = _squares(self.rows_)
        middle = self.rows_.shape[1] // 2
        mean = self.rows_.mean(axis=0, dtype=np.float64)
        mean = (mean[:middle] + mean[middle:]) / 2
        self.scale_ = np.float32(self.gamma / max(float(self.squares_.mean() - mean @ mean), 1e-12))
        kernel = np.empty((len(self.rows_), len(self.rows_)), dtype=np.float32)
        for start in range(0, len(self.rows_), BLOCK):
            stop = start + BLOCK  # what lies right of the diagonal is the same again, and is not read
            kernel[start:stop, :stop] = self._kernel(self.rows_[start:stop], known=stop)
        kernel.flat[:: len(kernel) + 1] += np.float32(self.ridge)
        targets = np.eye(len(self.classes_), dtype=np.float32)[codes]
        self.means_ = targets.mean(axis=0)
        # LAPACK works in columns: to it the lower triangle is the upper one of the transpose, factored where it lies.
        factor = cho_factor(kernel.T, lower=False, overwrite_a=True, check_finite=False)
        self.weights_ = np.asarray(cho_solve(factor, targets - self.means_, check_finite=False), dtype=np.float32)
        return self

    def _kernel(self, features: Matrix, *, known: int | None = None) -> Matrix:
        """``(M, 2 D)`` to the kernel with the first ``known`` rows, or with all, ``(M, N)``."""
        middle = features.shape[1] // 2
        rows = self.rows_[:known]
        ahead, mirrored = rows[:, :middle], rows[:, middle:]
        same = features @ rows.T
        swapped = features[:, :middle] @ mirrored.T
        swapped += features[:, middle:] @ ahead.T
        distances = _squares(features)[:, None] + self.squares_[:known]
        kernel: Matrix = np.exp(-self.scale_ * np.maximum(distances - same, 0))
        kernel += np.exp(-self.scale_ * np.maximum(distances - swapped, 0))
        return kernel

    def decision_function(self, features: Matrix) -> Matrix:
        """Scores ``(N, classes)``: about 1 for the class that the row looks like, 0 for the others."""
        parts = [self._kernel(features[at : at + BLOCK]) @ self.weights_ for at in range(0, len(features), BLOCK)]
        none = np.empty((0, len(self.classes_)), dtype=np.float32)
        return np.asarray(np.concatenate([none, *parts]) + self.means_)

    def predict(self, features: Matrix) -> NDArray[np.int64]:
        return np.asarray(self.classes_[self.decision_function(features).argmax(axis=1)])


def _squares(features: Matrix) -> Matrix:
    """Squared length of each row, the mean over picture and mirror image, ``(N,)``."""
    return np.asarray(np.einsum("ij,ij->i", features, features) / 2, dtype=np.float32)


class LocalSVM(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """For every face its own machine, learned from the faces most like it.

    Ionescu et al., "Local learning to improve bag of visual words model for facial expression recognition" (ICML 2013
    workshop). Each machine is a least-squares one with the cosine as its kernel.

    Parameters
    ----------
    neighbours
        Faces that each machine learns from.
    penalty
        For errors; one over the ridge of the equations.
    """

    def __init__(self, *, neighbours: int = 1000, penalty: float = 10.0) -> None:
        self.neighbours, self.penalty = neighbours, penalty

    def fit(self, features: Matrix, y: NDArray[np.int64]) -> Self:
        """Keep the rows ``(N, D)`` and their codes ``(N,)``."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.mean_ = features.mean(axis=0)
        self.rows_ = self._directions(features)
        self.targets_ = np.eye(len(self.classes_), dtype=np.float32)[codes]
        return self

    def _directions(self, features: Matrix) -> Matrix:
        rows = features - self.mean_
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))

    def decision_function(self, features: Matrix) -> Matrix:
        """Scores ``(N, classes)``: about 1 for the class that the neighbourhood speaks for, 0 for the others."""
        count = min(self.neighbours, len(self.rows_))
        scores = np.empty((len(features), len(self.classes_)), dtype=np.float32)
        ridge = np.eye(count, dtype=np.float32) / np.float32(self.penalty)
        for start in range(0, len(features), BLOCK):
            rows = self._directions(features[start : start + BLOCK])
            alike = rows @ self.rows_.T
            nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
            for number, chosen in enumerate(nearest):
                known, targets = self.rows_[chosen], self.targets_[chosen]
                mean = targets.mean(axis=0)
                weights = np.linalg.solve(known @ known.T + ridge, targets - mean)
                scores[start + number] = alike[number, chosen] @ weights + mean
        return scores

    def predict(self, features: Matrix) -> NDArray[np.int64]:
        return np.asarray(self.classes_[self.decision_function(features).argmax(axis=1)])
