"""The data: counts, first rows, faces of each class, the 80/20 split and its copies, the augmentation."""

from __future__ import annotations

import dataclasses

import numpy as np

from unmask.capstone.recipes import recipe
from unmask.capstone.step import Context, Result
from unmask.datasets import FaceDataset
from unmask.datasets.audit import audit
from unmask.datasets.describe import agreement, describe
from unmask.datasets.describe_page import agreement_plot, histogram, mean_faces, sample_grid
from unmask.datasets.ferplus import join
from unmask.datasets.splits import eighty_twenty
from unmask.explain.drawing import greys
from unmask.expressions import FER2013, Expression
from unmask.training.config import load_config
from unmask.training.pictures import gallery, recipe_gallery

SPLIT_SEEDS = range(10)


def run(context: Context) -> Result:
    """Describe, audit and draw."""
    result, dataset = Result(), context.dataset
    figures = describe(dataset)
    training = dataset.split("Training")
    splits = [eighty_twenty(dataset, together=False, seed=seed) for seed in SPLIT_SEEDS]
    drawn = splits[0]
    result.value("data.codes", [str(label) for label in dataset.taxonomy.labels])
    result.value("data.labelled", len(drawn))
    result.value("data.training", int((drawn.splits == "Training").sum()), seeds=[0], protocol="80/20, plainly drawn")
    result.value("data.validation", int((drawn.splits == "Validation").sum()), seeds=[0])
    tests = int((dataset.splits == "PublicTest").sum())
    if tests:
        result.value("data.test", tests, protocol="PublicTest")
    else:
        result.left_out["data.test"] = "The data has no test rows (no column Usage); fer2013.csv has them."
    result.value("data.classes", list(figures["splits"]["Training"]["classes"].values()), protocol="Training")
    result.value("data.first_rows", [[row["label"], *row["pixels"]] for row in figures["first_rows"]])
    shares = [_copied(split) for split in splits]
    together = _copied(eighty_twenty(dataset, together=True, seed=0))
    result.value(
        "data.copies",
        float(np.mean(shares)),
        std=float(np.std(shares, ddof=1)),
        draws=shares,
        seeds=list(SPLIT_SEEDS),
        protocol="the 20 % of ten plain splits",
        mended={"quantity": "with all copies of an image on one side", "value": together},
    )
    votes = context.inputs.find("votes")
    voted = None if votes is None else join(dataset, votes)
    found = audit(dataset if voted is None else voted, near=context.budget.data.near_copies)
    result.data |= {"description": figures, "audit": found.to_json()}
    _draw(context, result, training)
    context.draw(result, "classes", histogram(figures), "Images of each class, by split.")
    if voted is not None:
        result.data["agreement"] = agreement(voted)
        plot = agreement_plot({**figures, "ferplus": result.data["agreement"]})
        context.draw(result, "agreement", plot, "Share of each class whose label is what most of FER+'s taggers say.")
    return result


def _copied(split: FaceDataset) -> float:
    """Share of Validation whose pixels also stand in Training."""
    return float(split.copies_of("Training")[split.splits == "Validation"].mean())


def _draw(context: Context, result: Result, training: FaceDataset) -> None:
    context.draw(
        result,
        "samples",
        sample_grid(training),
        "Ten faces of each class, drawn with seed 0.",
        shows_faces=True,
        pixels=True,
    )
    context.draw(result, "mean_faces", mean_faces(training), "The mean of all faces of each class.", pixels=True)
    caption = "Each ingredient of the augmentation alone, stronger than in training, on"
    face, other = (
        training.images[int((training.labels == FER2013.code(label)).argmax())]
        for label in (Expression.HAPPY, Expression.SURPRISE)
    )
    context.draw(result, "augmentation", gallery(face, other), f"{caption} one face.", shows_faces=True, pixels=True)
    mean = greys(training.images.mean(axis=0, dtype=np.float64))
    context.draw(result, "augmented_mean", gallery(mean), f"{caption} the mean face.", pixels=True)
    used = load_config(recipe("study_net.toml")).augmentation
    faces = training.images[np.unique(training.labels, return_index=True)[1][-4:]]
    context.draw(
        result,
        "augmented_faces",
        recipe_gallery(faces, used),
        "Four faces, and six views of each as the networks see them in training.",
        shows_faces=True,
        pixels=True,
    )
    result.data["augmentation"] = dataclasses.asdict(used)
