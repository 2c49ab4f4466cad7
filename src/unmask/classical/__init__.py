"""The classical study: features made by hand or learned without labels, and the classifiers on top of them."""

from __future__ import annotations

from unmask.errors import MissingExtraError

try:
    import sklearn  # noqa: F401  # everything here is built on it
except ModuleNotFoundError:
    raise MissingExtraError("scikit-learn", "study") from None

from unmask.classical.classifiers import build_classifier, classifier_names, register_classifier
from unmask.classical.features import build_feature, feature_names, register_feature

__all__ = [
    "build_classifier",
    "build_feature",
    "classifier_names",
    "feature_names",
    "register_classifier",
    "register_feature",
]
