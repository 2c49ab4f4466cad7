"""Classifiers by name, as the configuration of the study writes them; all are scikit-learn estimators.

Those that measure distances or penalise weights scale their input first (:class:`unmask.classical.scaling.UnitScale`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC, LinearSVC

from unmask.classical.kernels import MirrorSVC
from unmask.classical.least_squares import LocalSVM, MirrorLSSVM
from unmask.classical.scaling import Components, UnitScale
from unmask.errors import ConfigError, UnknownModelError, suggest

_CLASSIFIERS: dict[str, Callable[..., ClassifierMixin]] = {}


def register_classifier(kind: str, build: Callable[..., ClassifierMixin]) -> None:
    """Make a classifier known under a name; ``build`` takes its options and ``seed``.

    Raises ValueError when the name is taken.
    """
    if kind in _CLASSIFIERS:
        raise ValueError(f"a classifier named '{kind}' is registered already")
    _CLASSIFIERS[kind] = build


def classifier_names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_CLASSIFIERS)


def build_classifier(kind: str, *, seed: int = 0, **options: Any) -> ClassifierMixin:
    """A new classifier of features ``float32 (N, D)``, not yet fitted.

    Raises
    ------
    UnknownModelError
        The name is not registered.
    ConfigError
        The classifier has no such option.
    """
    if kind not in _CLASSIFIERS:
        raise UnknownModelError(f"unknown classifier '{kind}'; {suggest(kind, _CLASSIFIERS)}")
    try:
        return _CLASSIFIERS[kind](seed=seed, **options)
    except TypeError as error:
        raise ConfigError(f"classifier '{kind}': {error}") from None


def set_options(classifier: ClassifierMixin, options: dict[str, Any]) -> ClassifierMixin:
    """The classifier with options of its last step changed. Raises ConfigError for an option that it does not have."""
    try:
        last_step(classifier).set_params(**options)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return classifier


def last_step(classifier: Any) -> Any:
    """What decides: the classifier itself, or the last step of its pipeline."""
    return classifier.steps[-1][1] if isinstance(classifier, Pipeline) else classifier


def grid_of(classifier: Any, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The grid with the names that scikit-learn's search gives to options of the last step."""
    prefix = f"{classifier.steps[-1][0]}__" if isinstance(classifier, Pipeline) else ""
    return {prefix + key: values for key, values in grid.items()}


def logits(classifier: Any, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores ``(N, classes)`` whose softmax, at some temperature, is a probability: decisions, or log shares."""
    if hasattr(classifier, "decision_function"):
        return np.asarray(classifier.decision_function(features), dtype=np.float64)
    return np.asarray(np.log(np.maximum(classifier.predict_proba(features), 1e-4)))


def _forest(*, seed: int, **options: Any) -> ClassifierMixin:
    return RandomForestClassifier(**{"n_estimators": 200, **options}, random_state=seed)


def _boosting(*, seed: int, **options: Any) -> ClassifierMixin:
    # Every split looks at the square root of the features: with all of them a fit takes 40 times as long.
    return GradientBoostingClassifier(**{"max_features": "sqrt", **options}, random_state=seed)


def _hist_boosting(*, seed: int, **options: Any) -> ClassifierMixin:
    return HistGradientBoostingClassifier(**options, random_state=seed)


def _svc(*, seed: int, **options: Any) -> ClassifierMixin:
    return make_pipeline(UnitScale(), SVC(**{"gamma": 1.0, "cache_size": 500, **options}, random_state=seed))


def _pca_svc(*, seed: int, components: int = 200, **options: Any) -> ClassifierMixin:
    svc = SVC(**{"gamma": 1.0, "cache_size": 500, **options}, random_state=seed)
    return make_pipeline(Components(components=components, seed=seed), UnitScale(), svc)


def _linear_svc(*, seed: int, **options: Any) -> ClassifierMixin:
    return make_pipeline(UnitScale(), LinearSVC(**{"max_iter": 5000, **options}, random_state=seed))


def _logistic(*, seed: int, **options: Any) -> ClassifierMixin:
    options = {"C": 100.0, "max_iter": 2000, "tol": 1e-3, **options}
    return make_pipeline(UnitScale(), LogisticRegression(**options, random_state=seed))


def _ridge(*, seed: int, **options: Any) -> ClassifierMixin:
    return make_pipeline(UnitScale(), RidgeClassifier(**{"solver": "cholesky", **options}, random_state=seed))


def _neighbours(*, seed: int, **options: Any) -> ClassifierMixin:
    return make_pipeline(UnitScale(), KNeighborsClassifier(**{"weights": "distance", **options}))


def _mirror_svc(*, seed: int, **options: Any) -> ClassifierMixin:
    return MirrorSVC(**options)


def _mirror_ls_svm(*, seed: int, **options: Any) -> ClassifierMixin:
    return MirrorLSSVM(**options)


def _local_svm(*, seed: int, components: int = 500, **options: Any) -> ClassifierMixin:
    return make_pipeline(Components(components=components, seed=seed), LocalSVM(**options))


register_classifier("forest", _forest)
register_classifier("boosting", _boosting)
register_classifier("hist_boosting", _hist_boosting)
register_classifier("svc", _svc)
register_classifier("pca_svc", _pca_svc)
register_classifier("linear_svc", _linear_svc)
register_classifier("logistic", _logistic)
register_classifier("ridge", _ridge)
register_classifier("neighbours", _neighbours)
register_classifier("mirror_svc", _mirror_svc)
register_classifier("mirror_ls_svm", _mirror_ls_svm)
register_classifier("local_svm", _local_svm)
