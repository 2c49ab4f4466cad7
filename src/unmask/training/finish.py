"""From the end of a run to a model file: temperatures and thresholds on the held-out rows, figures on PublicTest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.evaluation.calibration import even_cost_threshold, fit_temperature
from unmask.evaluation.evaluate import evaluate, reference_labels
from unmask.expressions import TAXONOMIES
from unmask.models import Classifier, Head, ModelCard, ModelFile, softmax
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
    card = _calibrate(card, graph, trainer.held_rows)
    card = dataclasses.replace(card, metrics=_measure(card, graph, dataset))
    write_model(folder, card, graph)
    return card


def _training_facts(trainer: Trainer, dataset: FaceDataset) -> dict[str, Any]:
    return {
        "data": dataset.name if dataset.votes is None else f"{dataset.name} with FER+ votes",
        "sha256": dataset.checksum,
        "split": "Training, without copies of other splits' images and without rows in which no tagger saw a face",
        "rows": len(trainer.training.images),
        "held_out_rows": len(trainer.held_rows),
        "seed": trainer.config.seed,
        "config": dataclasses.asdict(trainer.config),
    }


def _calibrate(card: ModelCard, graph: onnx.ModelProto, held: FaceDataset) -> ModelCard:
    """The card with temperatures, and the thresholds of confidence and margin of its first head."""
    classifier = Classifier(ModelFile(card, graph.SerializeToString()))
    heads, thresholds = [], card.thresholds
    for head in card.heads:
        labels, taxonomy = reference_labels(held, use_votes=head.name == "ferplus")
        rows = labels != UNLABELLED
        if not rows.any():
            return card
        labels, logits = labels[rows], classifier.logits(held.images[rows], head=head.name)
        temperature = round(fit_temperature(logits, labels), 4)
        heads.append(Head(head.name, taxonomy, temperature))
        if head is card.heads[0]:
            right = logits.argmax(axis=1) == labels
            ordered = np.sort(softmax(logits, temperature=temperature), axis=1)
            thresholds = dataclasses.replace(
                thresholds,
                min_confidence=even_cost_threshold(ordered[:, -1], right),
                min_margin=even_cost_threshold(ordered[:, -1] - ordered[:, -2], right),
            )
    return dataclasses.replace(card, heads=tuple(heads), thresholds=thresholds)


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
