"""Saving a classical model: the same answers through ONNX Runtime, calibrated, and read like any other model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sklearn", reason="the extra 'study' is not installed")
pytest.importorskip("onnx", reason="the extra 'study' is not installed")

import onnxruntime
from data_sets import write_csv
from tiny_faces import bars, faces, feature_named

from unmask.classical import build_classifier, feature_names
from unmask.classical.base import Mirrored
from unmask.classical.classifiers import logits
from unmask.classical.gradients import Hog
from unmask.classical.pixels import Pixels
from unmask.classical.saving import can_be_saved, save_model, to_onnx
from unmask.cli import main
from unmask.errors import DataError, ModelError
from unmask.explain.heat import grad_cam
from unmask.explain.onnx_network import OnnxNetwork
from unmask.expressions import FER2013
from unmask.models import Classifier, Head, ModelCard, ModelFile, load_model


def run(content: bytes, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What ONNX Runtime makes of the crops."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(["logits_fer2013"], {"crops": crops})[0]
    return result


@pytest.mark.parametrize("kind", feature_names())
def test_every_feature_is_the_same_in_onnx(kind: str) -> None:
    """A linear model on each feature scores the same through ONNX Runtime; both add up in float32."""
    images, labels = faces(35), np.arange(35) % 7
    feature = feature_named(kind).fit(images)
    classifier = build_classifier("ridge").fit(feature.transform(images), labels)
    content, _ = to_onnx(feature, classifier, FER2013)
    crops = np.concatenate([faces(10, seed=1), np.zeros((1, 48, 48), np.uint8), np.full((1, 48, 48), 255, np.uint8)])
    np.testing.assert_allclose(run(content, crops), logits(classifier, feature.transform(crops)), atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "options", "even"),
    [
        ("ridge", {}, True),
        ("logistic", {}, True),
        ("linear_svc", {}, True),
        ("svc", {"kernel": "rbf"}, True),
        ("svc", {"kernel": "linear"}, True),
        ("pca_svc", {"components": 9}, True),
        ("mirror_svc", {"components": 9}, False),
    ],
)
def test_every_classifier_is_the_same_in_onnx(kind: str, options: dict[str, Any], even: bool) -> None:
    """Scores agree to 1e-3; where a pair of classes is undecided to within rounding, its vote may turn."""
    images, labels = faces(70), np.arange(70) % 7
    feature = Mirrored(feature=Hog(), even=even).fit(images)
    classifier = build_classifier(kind, **options).fit(feature.transform(images), labels)
    content, parameters = to_onnx(feature, classifier, FER2013)
    crops = faces(40, seed=1)
    wrong = np.abs(run(content, crops) - logits(classifier, feature.transform(crops))).max(axis=1) > 1e-3
    assert wrong.sum() <= (1 if "svc" in kind and kind != "linear_svc" else 0)
    assert parameters > 7
    assert can_be_saved(classifier)


def test_what_cannot_be_saved() -> None:
    """Trees are refused with what to choose instead, and so is a model that lacks a class."""
    images = faces(14)
    feature = Pixels().fit(images)
    forest = build_classifier("forest", n_estimators=2).fit(feature.transform(images), np.arange(14) % 7)
    assert not can_be_saved(forest)
    with pytest.raises(ModelError, match="RandomForestClassifier cannot be saved"):
        to_onnx(feature, forest, FER2013)
    two = build_classifier("ridge").fit(feature.transform(images), np.arange(14) % 2)
    with pytest.raises(ModelError, match="2 of 7"):
        to_onnx(feature, two, FER2013)


def test_a_model_without_layers_is_measured_all_the_same(tmp_path: Path) -> None:
    """The page of a model on plain pixels has no class activation maps, and says why."""
    dataset = bars()
    training = dataset.split("Training")
    feature = Pixels().fit(training.images)
    classifier = build_classifier("ridge").fit(feature.transform(training.images), training.labels)
    held = (training.images[180:], training.labels[180:])
    folder = tmp_path / "model"
    save_model(folder, feature, classifier, name="plain", dataset=dataset, held=held, facts={}, split="PublicTest")
    data = write_csv(dataset, tmp_path / "bars.csv")
    assert main(["evaluate", str(folder), "--data", str(data), "--out", str(tmp_path / "page")]) == 0
    assert "There are no class activation maps" in (tmp_path / "page" / "evaluation.html").read_text()


def opened(kind: str, **options: Any) -> OnnxNetwork:
    """A ridge classifier of a feature, looked into."""
    dataset = bars()
    feature = feature_named(kind, **options).fit(dataset.images)
    classifier = build_classifier("ridge").fit(feature.transform(dataset.images), dataset.labels)
    content, parameters = to_onnx(feature, classifier, FER2013)
    card = ModelCard("c", "1", (Head("fer2013", FER2013),), 48, parameters, macs=0, licence="", code_version="")
    return OnnxNetwork(ModelFile(card, content))


def test_heat_of_a_model_of_features_lies_where_its_maps_do() -> None:
    """A graph that puts channels last has no maps from there on: heat over half a face stays on that half."""
    network, crop = opened("hog"), np.full((48, 48), 128, np.uint8)
    crop[:, :20] = faces(1)[0][:, :20]
    heat = grad_cam(network, crop, network.card.head())
    assert heat.max() > 0
    assert heat[:, :, 28:].sum() < 0.05 * heat.sum()


def test_an_answer_without_gradients_is_told() -> None:
    """Which word is nearest does not change with a little; an empty map would say that nothing spoke for the answer."""
    network = opened("visual_words")
    with pytest.raises(DataError, match="no gradients to show; use --methods occlusion"):
        grad_cam(network, faces(1)[0], network.card.head())


def test_a_saved_model_reads_like_any_other(tmp_path: Path) -> None:
    """The folder loads, is calibrated and measured, and answers as the scikit-learn model does."""
    dataset = bars()
    training = dataset.split("Training")
    feature = Mirrored(feature=Hog()).fit(training.images)
    classifier = build_classifier("ridge").fit(feature.transform(training.images[:180]), training.labels[:180])
    labels = training.labels[180:].copy()
    labels[::15] = (labels[::15] + 1) % 7  # of rows that are all right, no temperature is low enough
    held = (training.images[180:], labels)
    save_model(
        tmp_path / "model",
        feature,
        classifier,
        name="hog-ridge",
        dataset=dataset,
        held=held,
        facts={"rows": 180},
        split="PublicTest",
    )
    card = load_model(tmp_path / "model").card
    assert card.identity == "hog-ridge@1.0.0"
    assert card.metrics["bars PublicTest"]["accuracy"] > 0.95
    assert card.metrics["bars PublicTest"]["deduplicated"]["n"] == 60
    assert card.training["rows"] == 180
    assert card.heads[0].temperature < 1  # ridge's scores lie between 0 and 1: far too unsure
    assert card.macs > 7 * feature.transform(training.images[:1]).shape[1]
    probs = Classifier.load(tmp_path / "model").probs(dataset.images[210:])
    scores = logits(classifier, feature.transform(dataset.images[210:]))
    assert (probs.argmax(axis=1) == scores.argmax(axis=1)).all()
    assert json.loads((tmp_path / "model" / "model.json").read_text())["training"]["sha256"] == "0" * 64
    assert "hog-ridge@1.0.0" in (tmp_path / "model" / "CARD.md").read_text()
