"""One number for all features: what a kernel or a penalty sees is then alike for pixels, histograms and components."""

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
