"""From the end of a run to a model file: calibrated on the held-out rows, measured on a split of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.evaluation.answers import reference_labels
from unmask.evaluation.calibration import TOO_FEW, calibration
from unmask.evaluation.evaluate import evaluate
from unmask.expressions import TAXONOMIES
from unmask.models import Classifier, Head, ModelCard, ModelFile
from unmask.models.file import WEIGHTS_FILE
from unmask.models.graph import count_macs
from unmask.training.checkpoint import CHECKPOINT, check_run
from unmask.training.config import TrainConfig
from unmask.training.export import code_version, store_as_fp16, to_onnx, write_model
from unmask.training.fit import Notify, Trainer
from unmask.training.quantise import CALIBRATION_IMAGES, quantise
from unmask.training.trained import abstention, origin, told_once, training_facts

_FEW = 200
"""Held-out rows below which temperature and thresholds are largely chance."""


def trained(
    config: TrainConfig,
    dataset: FaceDataset,
    folder: Path,
    *,
    device: str = "cpu",
    notify: Notify = lambda event, record: None,
    announce: Callable[[Trainer], None] = lambda trainer: None,
) -> Path:
    """Run a configuration to its end in a folder, make a model of it there, and return the model's folder.

    What is done already is not done again: a run that was stopped goes on, a finished one is left as it is.

    Parameters
    ----------
    announce
        Called with the trainer before it begins; not called when there is nothing to do.

    Raises
    ------
    ConfigError
        What lies in the folder, finished or not, was made with another configuration or other data.
    """
    model = folder / "model"
    if (model / WEIGHTS_FILE).is_file():  # the last file that finish writes
        if (folder / CHECKPOINT).exists():
            check_run(folder / CHECKPOINT, config, data=dataset.fingerprint)
    else:
        trainer = Trainer(config, dataset, folder, device=device)
        announce(trainer)
        trainer.fit(notify=notify, resume=True)
        finish(trainer, dataset, model)
    return model


def lacks(trainer: Trainer, dataset: FaceDataset) -> list[str]:
    """What the model of a run will not have, each with the next step; known before the run begins."""
    config, found = trainer.config, []
    if not len(trainer.held_rows):
        found.append(
            "no row is held out, so that nothing calibrates the scores (temperature 1) or chooses thresholds; set "
            + (
                f"holdout above {config.holdout:g}; copies and rows of a subject stay together"
                if config.holdout
                else "holdout above 0, for example 0.05"
            )
        )
    elif len(trainer.held_rows) < _FEW:
        too = "too few" if len(trainer.held_rows) < TOO_FEW else "few"
        found.append(
            f"{len(trainer.held_rows)} held-out rows are {too} to calibrate scores and choose thresholds on"
            + (" (temperature 1, no thresholds)" if too == "too few" else "")
            + "; set holdout higher, or use more data"
        )
    if learned := _knows_the_held_out(config, dataset):
        found.append(
            f"{config.initial} was trained on this data with other rows held out ({', '.join(learned)}), so that "
            "temperature, thresholds and patience rest on rows that it knows; set these as it had them"
        )
    if not (dataset.splits == config.measured_split).any():
        found.append(
            f"the data has no split '{config.measured_split}', so that nothing measures the model; name another in "
            "measured_split, or draw one with unmask data split and give it with --split-file"
        )
    return found


def _knows_the_held_out(config: TrainConfig, dataset: FaceDataset) -> list[str]:
    """What differs in how the model that a run starts from held out rows of the same data."""
    facts = training_facts(config.initial) if config.initial else {}
    if facts.get("sha256") != dataset.checksum:
        return []
    its, own = facts.get("config", {}), config.to_json()
    changed = [key for key in ("seed", "holdout", "train_split", "keep_copies") if its.get(key, own[key]) != own[key]]
    return changed + ["splits"] * (facts.get("division", dataset.division) != dataset.division)


def finish(trainer: Trainer, dataset: FaceDataset, folder: Path) -> ModelCard:
    """Write the network that a finished run keeps as a model folder, calibrated and measured.

    The held-out rows choose the temperatures and the two thresholds that rest on scores; the measured split chooses
    nothing.
    """
    network = trainer.kept
    exported = _exported(trainer, network)
    graph = store_as_fp16(exported) if trainer.config.storage == "fp16" else exported
    return _finished(trainer, dataset, folder, _card(trainer, dataset, exported), graph, network)


def finish_int8(trainer: Trainer, dataset: FaceDataset, folder: Path) -> ModelCard:
    """Write the same network in int8 as a model folder of its own, calibrated on training images and measured anew."""
    config = trainer.config
    images = trainer.training.images.numpy()
    exported = _exported(trainer, trainer.kept)
    rows = np.random.default_rng(config.seed).permutation(len(images))[:CALIBRATION_IMAGES]
    graph = quantise(exported, images[rows])
    card = dataclasses.replace(_card(trainer, dataset, exported), name=f"{config.name}-int8")
    return _finished(trainer, dataset, folder, card, graph)


def _exported(trainer: Trainer, network: nn.Module) -> onnx.ModelProto:
    return to_onnx(network, list(trainer.config.heads), int(trainer.training.images.shape[-1]))


def _finished(
    trainer: Trainer,
    dataset: FaceDataset,
    folder: Path,
    card: ModelCard,
    graph: onnx.ModelProto,
    network: nn.Module | None = None,
) -> ModelCard:
    """The card calibrated and measured, written with its graph."""
    card = calibrate(card, graph, trainer.held_rows)
    card = dataclasses.replace(card, metrics=measure(card, graph, dataset, trainer.config))
    write_model(folder, card, graph, network)
    return card


def _card(trainer: Trainer, dataset: FaceDataset, graph: onnx.ModelProto) -> ModelCard:
    """The card of a run before calibration and measurement."""
    config, facts = trainer.config, _training_facts(trainer, dataset)
    return ModelCard(
        name=config.name,
        version=config.version,
        heads=tuple(Head(head, TAXONOMIES[head]) for head in config.heads),
        input_size=int(trainer.training.images.shape[-1]),
        parameters=sum(p.numel() for p in trainer.network.fused().parameters()),  # of the form that is run
        macs=count_macs(graph.SerializeToString()),
        licence=_licence(dataset, config, facts),
        code_version=code_version(),
        thresholds=abstention(config),
        network=config.network,
        arguments=config.network_arguments,
        training=facts,
    )


def _licence(dataset: FaceDataset, config: TrainConfig, facts: Mapping[str, Any]) -> str:
    votes = ", with the votes of FER+ (MIT)" if "ferplus" in config.heads and dataset.votes is not None else ""
    started = f"; started from {facts['initial']}, whose terms apply" if facts["initial"] else ""
    taught = f"; taught by {facts['teachers']}" if facts["teachers"] else ""
    return told_once(f"MIT; trained on {dataset.credit}{votes}{started}{taught}")


def _training_facts(trainer: Trainer, dataset: FaceDataset) -> dict[str, Any]:
    config = trainer.config
    copies = "with" if config.keep_copies else "without"
    copies += " copies of other splits' images"
    faces = "" if dataset.votes is None else " and without rows in which no tagger saw an expression"
    return {
        "data": dataset.name if dataset.votes is None else f"{dataset.name} with FER+ votes",
        "sha256": dataset.checksum,
        "division": dataset.division,
        "split": f"{config.train_split}, {copies}{faces}",
        "rows": len(trainer.training.images),
        "held_out_rows": len(trainer.held_rows),
        "epochs": len(trainer.history_),
        "planned_epochs": config.epochs,
        "seed": config.seed,
        "initial": "" if trainer.initial is None else origin(config.initial),
        "teachers": ", ".join(map(origin, config.distillation.teachers)),
        "config": config.to_json(),
    }


def calibrate(card: ModelCard, graph: onnx.ModelProto, held: FaceDataset) -> ModelCard:
    """The card with temperatures, and the thresholds of confidence and margin of its first head.

    A head of which the held-out rows cannot tell, as :func:`unmask.evaluation.calibration.calibration` says, stays.
    """
    classifier = Classifier(ModelFile(card, graph.SerializeToString()))
    heads, thresholds = [], card.thresholds
    for head in card.heads:
        # As in training: the votes teach the head ferplus, unless the labels themselves are of that taxonomy.
        by_votes = head.name == "ferplus" and held.taxonomy.name != "ferplus"
        labels, taxonomy = reference_labels(held, use_votes=by_votes)
        rows = labels != UNLABELLED
        temperature, found = calibration(classifier.logits(held.images[rows], head=head.name), labels[rows])
        heads.append(head if temperature is None else Head(head.name, taxonomy, temperature))
        if head is card.heads[0]:
            thresholds = dataclasses.replace(thresholds, **found)
    return dataclasses.replace(card, heads=tuple(heads), thresholds=thresholds)


def _has_majority(rows: FaceDataset) -> bool:
    return bool((reference_labels(rows, use_votes=True)[0] != UNLABELLED).any())


def measure(card: ModelCard, graph: onnx.ModelProto, dataset: FaceDataset, config: TrainConfig) -> dict[str, Any]:
    """Figures on the measured split by protocol; empty when the data has no such split."""
    split = config.measured_split
    rows = dataset.splits == split
    if not rows.any():
        return {}
    classifier = Classifier(ModelFile(card, graph.SerializeToString()), threads=torch.get_num_threads())
    metrics = {}
    for views in sorted({1, config.views}):
        note = "" if views == 1 else f", {views} views"
        about: dict[str, Any] = {"split": split, "views": views, "learned": config.train_split}
        if dataset.votes is not None and _has_majority(dataset.split(split)):
            title = f"FER+ {split} (majority rule{note})"
            metrics[title] = evaluate(classifier, dataset, use_votes=True, **about)
        if (dataset.labels[rows] != UNLABELLED).any():
            title = f"{dataset.name} {split}" + (f" ({note[2:]})" if note else "")
            metrics[title] = evaluate(classifier, dataset, **about)
    return metrics
