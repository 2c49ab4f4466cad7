"""From the end of a run to a model file: temperatures and thresholds on the held-out rows, figures on PublicTest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from unmask.datasets.base import FaceDataset
from unmask.evaluation.calibration import fit_temperature, unreliable_below
from unmask.evaluation.evaluate import evaluate
from unmask.expressions import TAXONOMIES
from unmask.models import Classifier, Head, ModelCard, ModelFile, Thresholds
from unmask.training.export import code_version, count_macs, store_as_fp16, to_onnx, write_model
from unmask.training.fit import Trainer

MEASURED_SPLIT = "PublicTest"


def finish(trainer: Trainer, dataset: FaceDataset, folder: Path) -> ModelCard:
    """Write the averaged network of a finished run as a model folder, calibrated and measured.

    The held-out rows choose the temperatures and the two thresholds that rest on scores; PublicTest chooses nothing.
    """
    config = trainer.config
    network = trainer.average.module
    heads = list(config.heads)
    size = int(trainer.training.images.shape[-1])
    exported = to_onnx(network, heads, size)
    graph = store_as_fp16(exported)
    card = ModelCard(
        name=config.name,
        version=config.version,
        heads=tuple(Head(head, TAXONOMIES[head]) for head in heads),
        input_size=size,
        parameters=sum(p.numel() for p in network.parameters()),
        macs=count_macs(exported),
        licence="MIT; trained on FER2013, whose pictures are for research use, with the votes of FER+ (MIT)",
        code_version=code_version(),
        thresholds=config.thresholds,
        network=config.network,
        arguments=dict(config.arguments),
        training=_training_facts(trainer, dataset),
    )
    card = _calibrate(card, graph, trainer)
    card = dataclasses.replace(card, metrics=_measure(card, graph, dataset))
    write_model(folder, card, graph)
    return card


def _training_facts(trainer: Trainer, dataset: FaceDataset) -> dict[str, Any]:
    return {
        "data": dataset.name if dataset.votes is None else f"{dataset.name} with FER+ votes",
        "sha256": dataset.checksum,
        "split": "Training, without copies of other splits' images and without rows in which no tagger saw a face",
        "rows": len(trainer.training.images),
        "held_out_rows": 0 if trainer.held is None else len(trainer.held.images),
        "seed": trainer.config.seed,
        "config": dataclasses.asdict(trainer.config),
    }


def _calibrate(card: ModelCard, graph: onnx.ModelProto, trainer: Trainer) -> ModelCard:
    """The card with temperatures, and the thresholds of confidence and margin of its first head."""
    if trainer.held is None:
        return card
    classifier = Classifier(ModelFile(card, graph.SerializeToString()), threads=2)
    crops = trainer.held.images.numpy()
    heads = []
    for head in card.heads:
        shares, weights = trainer.held.shares[head.name].numpy(), trainer.held.weights[head.name].numpy()
        temperature = fit_temperature(classifier.logits(crops, head=head.name), shares, weights)
        heads.append(dataclasses.replace(head, temperature=round(temperature, 4)))
    card = dataclasses.replace(card, heads=tuple(heads))
    probs = np.sort(Classifier(ModelFile(card, graph.SerializeToString()), threads=2).probs(crops), axis=1)
    first = card.heads[0].name
    likeliest = classifier.logits(crops).argmax(axis=1)
    right = likeliest == trainer.held.shares[first].numpy().argmax(axis=1)
    thresholds: Thresholds = dataclasses.replace(
        card.thresholds,
        min_confidence=unreliable_below(probs[:, -1], right),
        min_margin=unreliable_below(probs[:, -1] - probs[:, -2], right),
    )
    return dataclasses.replace(card, thresholds=thresholds)


def _measure(card: ModelCard, graph: onnx.ModelProto, dataset: FaceDataset) -> dict[str, Any]:
    """Figures on PublicTest by protocol; empty when the data has no such split."""
    if MEASURED_SPLIT not in dataset.splits:
        return {}
    classifier = Classifier(ModelFile(card, graph.SerializeToString()), threads=2)
    metrics = {}
    if dataset.votes is not None:
        title = f"FER+ {MEASURED_SPLIT} (majority rule)"
        metrics[title] = evaluate(classifier, dataset, split=MEASURED_SPLIT, use_votes=True)
    if (dataset.labels[dataset.splits == MEASURED_SPLIT] >= 0).any():
        metrics[f"{dataset.name} {MEASURED_SPLIT}"] = evaluate(classifier, dataset, split=MEASURED_SPLIT)
    return metrics
