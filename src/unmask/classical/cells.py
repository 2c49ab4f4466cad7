"""One cell of a table: a feature, a classifier, and what came of them."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.classical.base import Features, ImageFeature, Images
from unmask.classical.classifiers import grid_of, logits
from unmask.classical.plan import FullProtocol, Plan, refusals
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.datasets.splits import holdout_mask
from unmask.errors import DataError
from unmask.evaluation.calibration import calibration
from unmask.evaluation.metrics import evaluate_probs
from unmask.expressions import Taxonomy
from unmask.models import softmax

Labels = NDArray[np.int64]

_TIMED_FACES = 256


@dataclass(frozen=True)
class Draw:
    """Images and codes of one seed of the small protocol."""

    train: Images
    train_labels: Labels
    validate: Images
    validate_labels: Labels


def balanced_draw(dataset: FaceDataset, *, train: int, validate: int, seed: int) -> Draw:
    """So many images of each class to train on, and others to validate on, shuffled; no image twice, copies included.

    Parameters
    ----------
    dataset
        The rows to draw from.
    train, validate
        Images of each class.

    Raises
    ------
    DataError
        A class has too few different images.
    """
    rng = np.random.default_rng(seed)
    firsts = np.unique(dataset.groups, return_index=True)[1]
    chosen: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for code, label in enumerate(dataset.taxonomy.labels):
        rows = firsts[dataset.labels[firsts] == code]
        if len(rows) < train + validate:
            raise DataError(
                f"{dataset.name}: {len(rows)} different images of '{label}', the draw needs {train + validate}; "
                "set [small] train and validate lower"
            )
        rows = rng.permutation(rows)
        chosen[0].append(rows[:train])
        chosen[1].append(rows[train : train + validate])
    first, second = (rng.permutation(np.concatenate(part)) for part in chosen)
    return Draw(dataset.images[first], dataset.labels[first], dataset.images[second], dataset.labels[second])


def run_small(
    plan: Plan, draw: Draw, feature: str, classifiers: list[str], *, seed: int, taxonomy: Taxonomy
) -> list[dict[str, Any]]:
    """Results of one feature with several classifiers on one draw.

    The feature learns from the images to train on, without their labels; the grid search then splits those images
    into folds. Nothing is chosen on the images to validate on.
    """
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    started = time.perf_counter()
    with refusals(f"[features.{feature}]"):
        made = plan.feature(feature).fit(draw.train)
        train, validate = made.transform(draw.train), made.transform(draw.validate)
    feature_s = time.perf_counter() - started
    results = []
    for name in classifiers:
        started = time.perf_counter()
        classifier, grid, chosen = plan.classifier(name, seed=seed), plan.classifiers[name].grid, {}
        if grid:
            folds = StratifiedKFold(plan.small.folds, shuffle=True, random_state=seed)
            search = GridSearchCV(classifier, grid_of(classifier, dict(grid)), cv=folds, refit=False)
            with refusals(f"[classifiers.{name}]"):
                chosen = _searched(search, train, draw.train_labels)
            classifier.set_params(**chosen)
        with refusals(f"[classifiers.{name}]"):
            classifier.fit(train, draw.train_labels)
        probs = softmax(logits(classifier, validate))
        figures = evaluate_probs(probs, draw.validate_labels, taxonomy)
        results.append(
            {
                "accuracy": figures["accuracy"],
                "macro_f1": figures["macro_f1"],
                "chosen": _plain(chosen),
                "feature_s": feature_s,
                "fit_s": time.perf_counter() - started,
            }
        )
    return results


def _searched(search: Any, features: Features, labels: Labels) -> dict[str, Any]:
    """The best options that a search finds."""
    with warnings.catch_warnings():
        # Halving tells of every candidate that it drops.
        warnings.simplefilter("ignore", category=UserWarning)
        search.fit(features, labels)
    best: dict[str, Any] = search.best_params_
    return best


def _plain(chosen: dict[str, Any]) -> dict[str, Any]:
    """Options by their own name, without that of the pipeline's step."""
    return {key.rpartition("__")[2]: value for key, value in chosen.items()}


@dataclass(frozen=True)
class FullRows:
    """The rows of the full protocol; ``held`` is a part of Training that is not learned from."""

    train: FaceDataset
    held: FaceDataset
    test: FaceDataset
    test_copies: NDArray[np.bool_]

    @classmethod
    def of(cls, dataset: FaceDataset, protocol: FullProtocol) -> FullRows:
        """Raises DataError when the data set lacks Training, one of its classes, or unseen rows to measure on."""
        labelled = dataset.select(dataset.labels != UNLABELLED)
        training = labelled.split("Training")
        held = holdout_mask(training.groups, protocol.held_out, seed=protocol.seed)
        copies = labelled.copies_of("Training")[labelled.splits == protocol.split]
        train, labels = training.select(~held), dataset.taxonomy.labels
        if absent := [str(label) for code, label in enumerate(labels) if not (train.labels == code).any()]:
            raise DataError(
                f"{dataset.name}: no row of {', '.join(absent)} to learn from in Training, and the study compares all "
                f"{len(labels)} classes; add pictures of each"
            )
        if copies.all():
            raise DataError(
                f"{dataset.name}: all of {protocol.split} stands in Training too, which leaves none to measure on; "
                "set [full] split to another, or make one: unmask data split"
            )
        return cls(train, training.select(held), labelled.split(protocol.split), copies)


@dataclass(frozen=True)
class FullFeatures:
    """A fitted feature and what it makes of each part."""

    feature: ImageFeature
    train: Features
    held: Features
    test: Features
    seconds: float

    @classmethod
    def of(cls, feature: ImageFeature, rows: FullRows) -> FullFeatures:
        started = time.perf_counter()
        feature.fit(rows.train.images)
        train = feature.transform(rows.train.images)
        seconds = time.perf_counter() - started
        return cls(feature, train, feature.transform(rows.held.images), feature.transform(rows.test.images), seconds)


def run_full(plan: Plan, rows: FullRows, features: FullFeatures, name: str) -> tuple[dict[str, Any], Any]:
    """Figures of one classifier on all of Training, and the classifier.

    A grid is searched by successive halving on folds of a part of Training without copies; then the classifier learns
    from all rows but the held-out ones, which choose the temperature.
    """
    protocol = plan.full
    started = time.perf_counter()
    classifier, chosen = plan.classifier(name, seed=protocol.seed), {}
    if plan.classifiers[name].grid:
        with refusals(f"[classifiers.{name}]"):
            chosen = _halving_search(plan, rows, features, name)
        classifier.set_params(**chosen)
    search_s = time.perf_counter() - started
    started = time.perf_counter()
    with refusals(f"[classifiers.{name}]"):
        classifier.fit(features.train, rows.train.labels)
    fit_s = time.perf_counter() - started
    temperature = calibration(logits(classifier, features.held), rows.held.labels)[0] or 1.0
    probs = softmax(logits(classifier, features.test), temperature=temperature)
    taxonomy = rows.test.taxonomy
    figures = evaluate_probs(probs, rows.test.labels, taxonomy)
    unique = ~rows.test_copies
    deduplicated = evaluate_probs(probs[unique], rows.test.labels[unique], taxonomy)
    kept = ("accuracy", "balanced_accuracy", "macro_f1", "ece", "nll", "n")
    result = {
        **{key: figures[key] for key in kept},
        "deduplicated": {key: deduplicated[key] for key in kept},
        "confusion": figures["confusion"],
        "labels": figures["labels"],
        "temperature": temperature,
        "chosen": _plain(chosen),
        "dimensions": int(features.train.shape[1]),
        "feature_s": features.seconds,
        "search_s": search_s,
        "fit_s": fit_s,
        "predict_us": _microseconds(features.feature, classifier, rows.test.images[:_TIMED_FACES]),
        "bytes": learned_bytes(features.feature) + learned_bytes(classifier),
    }
    return result, classifier


def _halving_search(plan: Plan, rows: FullRows, features: FullFeatures, name: str) -> dict[str, Any]:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # makes the next import possible
    from sklearn.model_selection import HalvingGridSearchCV, StratifiedKFold

    protocol = plan.full
    firsts = np.unique(rows.train.groups, return_index=True)[1]
    some = np.random.default_rng(protocol.seed).permutation(firsts)[: protocol.search_rows]
    classifier = plan.classifier(name, seed=protocol.seed)
    search = HalvingGridSearchCV(
        classifier,
        grid_of(classifier, dict(plan.classifiers[name].grid)),
        cv=StratifiedKFold(protocol.folds, shuffle=True, random_state=protocol.seed),
        min_resources="exhaust",
        refit=False,
        random_state=protocol.seed,
    )
    return _searched(search, features.train[some], rows.train.labels[some])


def _microseconds(feature: ImageFeature, classifier: Any, images: Images) -> float:
    """Time for one face, feature and decision together, when a few hundred come at once."""
    started = time.perf_counter()
    logits(classifier, feature.transform(images))
    return 1e6 * (time.perf_counter() - started) / len(images)


def learned_bytes(fitted: Any, *, seen: dict[int, Any] | None = None) -> int:
    """Bytes of all arrays that a fitted estimator holds, trees included; each array counts once."""
    seen = {} if seen is None else seen
    if id(fitted) in seen:
        return 0
    seen[id(fitted)] = fitted  # kept, so that no other object takes its place in memory meanwhile
    if isinstance(fitted, np.ndarray) and fitted.dtype != object:
        return int(fitted.nbytes)
    if isinstance(fitted, dict):
        parts: Any = fitted.values()
    elif isinstance(fitted, (list, tuple, np.ndarray)):
        parts = fitted
    elif type(fitted).__module__.partition(".")[0] in ("sklearn", "unmask"):
        state = getattr(fitted, "__dict__", None)
        parts = [fitted.__getstate__() if state is None else state]  # None where a compiled object has no state
    else:
        return 0
    return sum(learned_bytes(part, seen=seen) for part in list(parts))
