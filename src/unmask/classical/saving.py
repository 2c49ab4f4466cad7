"""A fitted feature and classifier as a model file that reads like any other, without scikit-learn."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, LinearSVC

from unmask.classical.base import ImageFeature, Images
from unmask.classical.graph import Graph
from unmask.classical.kernels import MirrorSVC, rbf_graph
from unmask.classical.pairs import pair_machines, votes_graph
from unmask.classical.scaling import Components, UnitScale
from unmask.datasets import FaceDataset
from unmask.errors import ModelError
from unmask.evaluation.calibration import calibration
from unmask.evaluation.evaluate import evaluate
from unmask.expressions import Taxonomy
from unmask.models import Classifier, Head, ModelCard, ModelFile, Thresholds, save_folder


def can_be_saved(classifier: Any) -> bool:
    """Whether :func:`to_onnx` knows the classifier. Trees, neighbours and local machines are not saved."""
    return all(
        isinstance(step, (UnitScale, Components, *_LINEAR, MirrorSVC))
        or (isinstance(step, SVC) and step.kernel in _KERNELS)
        for step in _steps(classifier)
    )


_LINEAR = (RidgeClassifier, LogisticRegression, LinearSVC)
_KERNELS = ("linear", "rbf")


def _steps(classifier: Any) -> list[Any]:
    return [step for _, step in classifier.steps] if isinstance(classifier, Pipeline) else [classifier]


def to_onnx(feature: ImageFeature, classifier: Any, taxonomy: Taxonomy) -> tuple[bytes, int]:
    """The whole way from crops to logits as an ONNX model, and how many numbers it has learned.

    Its outputs are the classifier's own scores to within rounding in float32, which the tests hold to 1e-3.

    Raises
    ------
    ModelError
        The feature or the classifier cannot be saved, or it has not learned every class.
    """
    if len(classifier.classes_) != len(taxonomy):
        raise ModelError(f"the classifier has learned {len(classifier.classes_)} of {len(taxonomy)} classes")
    graph = Graph()
    value = feature.to_graph(graph, graph.INPUT)
    for step in _steps(classifier):
        value = _step_graph(graph, step, value)
    content = graph.to_bytes(value, name=f"logits_{taxonomy.name}", side=feature.side_, classes=len(taxonomy))
    return content, graph.parameters


def _step_graph(graph: Graph, step: Any, value: str) -> str:
    if isinstance(step, UnitScale):
        centred = graph.op("Sub", value, graph.constant(step.mean_.astype(np.float32)))
        return graph.op("Mul", centred, graph.constant(np.float32(step.scale_)))
    if isinstance(step, Components):
        centred = graph.op("Sub", value, graph.constant(step.mean_.astype(np.float32)))
        return graph.op("MatMul", centred, graph.constant(step.axes_.astype(np.float32)))
    if isinstance(step, _LINEAR):
        return graph.affine(value, step.coef_.T, step.intercept_)
    if isinstance(step, MirrorSVC):
        return step.to_graph(graph, value)
    if isinstance(step, SVC) and step.kernel in _KERNELS:
        vectors = np.asarray(step.support_vectors_, dtype=np.float32)
        weights, offsets = pair_machines(step)
        if step.kernel == "linear":
            decisions = graph.affine(value, vectors.T @ weights, offsets)
        else:
            decisions = graph.affine(rbf_graph(graph, value, vectors, step._gamma), weights, offsets)
        return votes_graph(graph, decisions, len(step.classes_))
    raise ModelError(f"{type(step).__name__} cannot be saved in a model file; choose a linear model or an SVC")


def save_model(
    folder: Path,
    feature: ImageFeature,
    classifier: Any,
    *,
    name: str,
    dataset: FaceDataset,
    held: tuple[Images, NDArray[np.int64]],
    facts: Mapping[str, Any],
    split: str,
) -> ModelCard:
    """Write a model folder for ``unmask read --model``, calibrated on rows that it has not learned from.

    Parameters
    ----------
    held
        Those rows: images and codes. They choose the temperature and the thresholds of abstention.
    facts
        What it was learned from and with which settings, for the card.
    split
        Where it is measured.

    Raises
    ------
    ModelError
        See :func:`to_onnx`.
    """
    taxonomy = dataset.taxonomy
    content, parameters = to_onnx(feature, classifier, taxonomy)
    from unmask.models.graph import count_macs  # needs onnx, whose absence the line above has told of

    card = ModelCard(
        name=name,
        version="1.0.0",
        heads=(Head(taxonomy.name, taxonomy),),
        input_size=feature.side_,
        parameters=parameters,
        macs=count_macs(content),
        licence=f"MIT; learned from {dataset.credit}",
        code_version=importlib.metadata.version("unmask"),
        training={"data": dataset.name, "sha256": dataset.checksum, **facts},
    )
    images, labels = held
    scores = Classifier(ModelFile(card, content)).logits(images)
    temperature, thresholds = calibration(scores, labels)
    head = Head(taxonomy.name, taxonomy, temperature or 1.0)
    card = dataclasses.replace(card, heads=(head,), thresholds=Thresholds(**thresholds))
    measured = evaluate(Classifier(ModelFile(card, content)), dataset, split=split)
    card = dataclasses.replace(card, metrics={f"{dataset.name} {split}": measured})
    save_folder(folder, card, content)
    return card
