"""Looking inside the trained own network: the four blocks' maps of a surprised face, filters, and six lessons."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unmask.capstone import lessons
from unmask.capstone.step import Context, Result
from unmask.datasets import FaceDataset
from unmask.datasets.splits import eighty_twenty
from unmask.explain import Explanation, explain, open_network
from unmask.explain.drawing import filter_mosaic, greys, map_mosaic
from unmask.explain.page import heat_picture, png
from unmask.expressions import FER2013, Expression
from unmask.models import Classifier
from unmask.networks.study import StudyNetwork
from unmask.training.trained import trained_network

BLOCKS = ("block1.1", "block2.1", "block3.1", "block4.1")
"""The study's four feature blocks."""


def run(context: Context) -> Result:
    """Open the model of the own network, and draw."""
    result = Result()
    model = context.folders["own"] / context.results["own"].data["model"]
    split = eighty_twenty(context.dataset, together=False, seed=context.budget.own.parted[0])
    held = split.split("Validation")
    opened = open_network(model, engine="torch")
    row, sure = surprised_row(model, held)
    explanation = explain(opened, held.images[row], blocks=BLOCKS, methods=["grad-cam"])
    result.data["face"] = {
        "probability": sure,
        "answer": str(explanation.taxonomy.labels[explanation.answer]),
        "blocks": explanation.to_json()["blocks"],
    }
    result.value("inside.blocks", len(explanation.maps), protocol="feature maps of one image labelled surprise")
    _maps(context, result, explanation, "", "one face labelled surprise", shows_faces=True)
    context.keep(
        result,
        "heat.png",
        png(heat_picture(explanation, "grad-cam")),
        "Grad-CAM: where the answer to this face comes from.",
        shows_faces=True,
        width=192,
    )
    surprise = FER2013.code(Expression.SURPRISE)
    mean = greys(held.images[held.labels == surprise].mean(axis=0))
    _maps(
        context,
        result,
        explain(opened, mean, blocks=BLOCKS, methods=["grad-cam"]),
        "mean_",
        "the mean of all faces labelled surprise",
    )
    filters = filter_mosaic(explanation.filters)
    caption = "The first convolution's eight kernels, in one scale: orange above 0, blue below."
    context.keep(result, "filters.png", png(filters), caption, width=480)
    network = trained_network(model)
    assert isinstance(network, StudyNetwork)
    _lessons(context, result, network, held, mean)
    return result


def surprised_row(model: Path, held: FaceDataset) -> tuple[int, float]:
    """The row labelled surprise of which the model is surest, and its probability."""
    rows = np.flatnonzero(held.labels == FER2013.code(Expression.SURPRISE))
    probs = Classifier.load(model).probs(held.images[rows])[:, FER2013.code(Expression.SURPRISE)]
    best = int(probs.argmax())
    return int(rows[best]), float(probs[best])


def _maps(
    context: Context, result: Result, explanation: Explanation, name: str, whose: str, *, shows_faces: bool = False
) -> None:
    for number, maps in enumerate(explanation.maps.values(), start=1):
        side, silent = maps.shape[-1], int((np.abs(maps).max(axis=(1, 2)) == 0).sum())
        caption = f"Block {number}: {len(maps)} maps of {side} x {side} of {whose}"
        caption += f"; {silent} of them silent." if silent else "."
        context.keep(result, f"{name}maps_{number}.png", png(map_mosaic(maps)), caption, shows_faces=shows_faces)


def _lessons(context: Context, result: Result, network: StudyNetwork, held: FaceDataset, mean: np.ndarray) -> None:
    some = np.random.default_rng(0).permutation(len(held))[: context.budget.inside.faces]
    faces, labels = held.images[some], held.labels[some]
    made = {
        "stride": lessons.stride(network, mean),
        "padding": lessons.padding(network, faces[:64]),
        "relu": lessons.relu(network, faces[:256]),
        "pooling": lessons.pooling(network, mean, faces),
        "batch_norm": lessons.batch_norm(network, faces[:256]),
        "residual": lessons.residual(network, faces, labels),
    }
    captions = {
        "stride": "The same kernel at every pixel and at every second one: the small map is the large one thinned out.",
        "padding": "Small maps are mostly border. In the last convolution only the middle tap ever meets a face.",
        "relu": "Where a kernel finds nothing, ReLU writes 0 and keeps nothing of how little it was.",
        "pooling": "Of each channel's four places only the largest goes on.",
        "batch_norm": "Channels of very different size are brought to one scale, so that the next layer hears all.",
        "residual": "A block adds a correction to what passes through; taking one away shows what it was worth.",
    }
    result.data["lessons"] = {name: numbers for name, (_, numbers) in made.items()}
    result.data["lesson_faces"] = len(faces)
    for name, (figure, _) in made.items():
        context.draw(result, f"lesson_{name}", figure, captions[name])
