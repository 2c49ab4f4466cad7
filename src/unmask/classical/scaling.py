"""Preparing features for kernels and penalties: one scale for all kinds, and fewer numbers."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin


class UnitScale(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Rows moved to mean 0 and scaled, all by one number, to a mean squared length of 1.

    Unlike scaling each column by itself this keeps what matters about features of one kind: which of them vary. With
    it an RBF kernel's ``gamma = 1`` is scikit-learn's ``"scale"``.
    """

    def fit(self, features: NDArray[np.float32], y: object = None) -> Self:
        self.mean_ = features.mean(axis=0)
        lengths = np.einsum("ij,ij->i", features, features, dtype=np.float64).mean() - float(self.mean_ @ self.mean_)
        self.scale_ = float(1 / np.sqrt(max(lengths, 1e-12)))
        return self

    def transform(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((features - self.mean_) * np.float32(self.scale_))


class Components(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The first principal components of features; all there are, where a small fold has fewer than asked for.

    Parameters
    ----------
    components
        How many are kept, at most.
    seed
        Of the search for them, which is random where there are many features.
    """

    def __init__(self, *, components: int = 200, seed: int = 0) -> None:
        self.components, self.seed = components, seed

    def fit(self, features: NDArray[np.float32], y: object = None) -> Self:
        from sklearn.decomposition import PCA

        found = PCA(min(self.components, *features.shape), random_state=self.seed).fit(features)
        self.mean_, self.axes_ = found.mean_, np.ascontiguousarray(found.components_.T)
        return self

    def transform(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((features - self.mean_) @ self.axes_, dtype=np.float32)
