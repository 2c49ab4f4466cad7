"""The figures that each trained network gets: accuracy with its interval, confusion, calibration, worst rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.capstone.step import Context, Result
from unmask.errors import MissingExtraError
from unmask.evaluation.answers import Answers
from unmask.evaluation.figures import confusion_plot, reliability_plot
from unmask.evaluation.losses import TopLoss
from unmask.evaluation.measure import Evaluation, measure
from unmask.evaluation.page import PLOTS
from unmask.explain.drawing import overlay
from unmask.images import encoded

FACES_IN_CELL = 6
"""Faces of each cell of a confusion matrix that the report can show."""


def record(context: Context, result: Result, name: str, answers: Answers, *, model: str) -> Evaluation:
    """Measure answers, write their figures, and put the numbers into ``result.data[name]``.

    Parameters
    ----------
    name
        Beginning of the figures' names.
    model
        Folder of the model, whose class activation maps are laid over the worst rows.
    """
    evaluation = measure(answers.alphabetical(), losses=18)
    figures = evaluation.to_json()
    figures.pop("per_class")
    figures["per_class"] = {
        label: {key: values[key] for key in ("precision", "recall", "f1", "n")}
        for label, values in evaluation.figures["per_class"].items()
    }
    result.data[name] = json.loads(json.dumps(figures))
    context.draw(
        result,
        f"{name}_confusion",
        confusion_plot(evaluation),
        PLOTS["confusion"],
    )
    context.draw(
        result,
        f"{name}_reliability",
        reliability_plot(evaluation),
        PLOTS["reliability"],
    )
    context.keep(
        result,
        f"{name}_cells.jpg",
        cell_sprites(evaluation.answers),
        "Faces of each cell of the confusion matrix, the surest answers first.",
        shows_faces=True,
    )
    context.keep(
        result,
        f"{name}_losses.jpg",
        strip(heat_over(model, evaluation.losses, answers)),
        "The worst rows, with what the answer rests on.",
        shows_faces=True,
    )
    return evaluation


def heat_over(model: str, losses: list[TopLoss], answers: Answers) -> list[NDArray[np.uint8]]:
    """Grad-CAM over each of the worst rows, or the plain face where nothing can open the model."""
    from unmask.explain import open_network
    from unmask.explain.losses import loss_overlays

    try:
        network = open_network(model)
    except MissingExtraError:
        return [overlay(loss.image, np.zeros(loss.image.shape)) for loss in losses]
    return loss_overlays(network, losses, answers.taxonomy)


def cell_sprites(answers: Answers) -> bytes:
    """Some faces of every cell of the confusion matrix as one JPEG: a row a cell, :data:`FACES_IN_CELL` in it."""
    classes, side = len(answers.taxonomy), answers.images.shape[1]
    sheet = np.full((classes * classes * side, FACES_IN_CELL * side), 128, dtype=np.uint8)
    confidence = answers.probs.max(axis=1)
    for cell in range(classes * classes):
        inside = np.flatnonzero((answers.labels == cell // classes) & (answers.predicted == cell % classes))
        for place, row in enumerate(inside[np.argsort(-confidence[inside], kind="stable")][:FACES_IN_CELL]):
            sheet[cell * side : (cell + 1) * side, place * side : (place + 1) * side] = answers.images[row]
    return jpeg(sheet)


def strip(pictures: list[NDArray[np.uint8]]) -> bytes:
    """Pictures of one size side by side as one JPEG."""
    return jpeg(np.concatenate(pictures, axis=1))


def jpeg(pixels: NDArray[np.uint8], *, quality: int = 80) -> bytes:
    """Pixels as a JPEG file."""
    return encoded(pixels, "JPEG", quality=quality, optimize=True)


def accuracy_value(evaluation: Evaluation) -> dict[str, Any]:
    """Accuracy with its interval, and without the rows that are copies, as a row of the report."""
    interval = evaluation.intervals["accuracy"]
    apart = evaluation.figures["deduplicated"]
    return {
        "interval": interval.to_json(),
        "mended": None
        if apart is None
        else {
            "quantity": f"the same without the {evaluation.figures['n'] - apart['n']:,} copies of images learned from",
            "value": apart["accuracy"],
        },
    }
