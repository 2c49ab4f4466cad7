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
from unmask.classical.pairs import pair_weights, votes_graph
from unmask.classical.scaling import Components, UnitScale
from unmask.datasets import FaceDataset
from unmask.errors import ModelError
from unmask.evaluation.calibration import even_cost_threshold, fit_temperature
from unmask.evaluation.evaluate import evaluate
from unmask.expressions import Taxonomy
from unmask.models import Classifier, Head, ModelCard, ModelFile, Thresholds, save_folder, softmax

LICENCE = "MIT; learned from FER2013, whose pictures are for research use"


def can_be_saved(classifier: Any) -> bool:
    """Whether :func:`to_onnx` knows the classifier. Trees, neighbours and local machines are not saved."""
    steps = [step for _, step in classifier.steps] if isinstance(classifier, Pipeline) else [classifier]
    return all(isinstance(step, (UnitScale, Components, *_LINEAR, SVC, MirrorSVC)) for step in steps)


_LINEAR = (RidgeClassifier, LogisticRegression, LinearSVC)


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
    steps = [step for _, step in classifier.steps] if isinstance(classifier, Pipeline) else [classifier]
    for step in steps:
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
    if isinstance(step, SVC) and step.kernel in ("linear", "rbf"):
        vectors = np.asarray(step.support_vectors_, dtype=np.float32)
        weights = pair_weights(step.dual_coef_, step.n_support_)
        if step.kernel == "linear":
            decisions = graph.affine(value, vectors.T @ weights, step.intercept_)
        else:
            decisions = graph.affine(rbf_graph(graph, value, vectors, step._gamma), weights, step.intercept_)
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
    card = ModelCard(
        name=name,
        version="1.0.0",
        heads=(Head(taxonomy.name, taxonomy),),
        input_size=feature.side_,
        parameters=parameters,
        macs=count_products(content),
        licence=LICENCE,
        code_version=importlib.metadata.version("unmask"),
        training={"data": dataset.name, "sha256": dataset.checksum, **facts},
    )
    images, labels = held
    scores = Classifier(ModelFile(card, content)).logits(images)
    temperature = round(fit_temperature(scores, labels), 4)
    ordered = np.sort(softmax(scores, temperature=temperature), axis=1)
    right = scores.argmax(axis=1) == labels
    thresholds = Thresholds(
        min_confidence=even_cost_threshold(ordered[:, -1], right),
        min_margin=even_cost_threshold(ordered[:, -1] - ordered[:, -2], right),
    )
    card = dataclasses.replace(card, heads=(Head(taxonomy.name, taxonomy, temperature),), thresholds=thresholds)
    measured = evaluate(Classifier(ModelFile(card, content)), dataset, split=split)
    card = dataclasses.replace(card, metrics={f"{dataset.name} {split}": measured})
    save_folder(folder, card, content)
    return card


def count_products(content: bytes) -> int:
    """Multiply-adds of the convolutions and matrix products for one face, from the graph's own shapes."""
    import onnx

    model = onnx.load_from_string(content)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred.value_info}
    shapes.update({constant.name: list(constant.dims) for constant in model.graph.initializer})
    total = 0
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Conv"):
            outer = int(np.prod(shapes[node.output[0]]))
            inner = shapes[node.input[0]][-1] if node.op_type == "MatMul" else np.prod(shapes[node.input[1]][1:])
            total += outer * int(inner)
    return total
