"""Future work: better labels, weights trained on faces, a better own model, and films."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from unmask.capstone.inputs import MOBILENET_HINT
from unmask.capstone.step import Context, Result
from unmask.capstone.training import MEASURED, Run, configured, length, own_config, part, train, tuned
from unmask.datasets import FaceDataset
from unmask.datasets.ferplus import join
from unmask.datasets.splits import eighty_twenty
from unmask.evaluation.answers import answer
from unmask.evaluation.comparison import compare
from unmask.evaluation.measure import measure
from unmask.models import Classifier
from unmask.plots import bars
from unmask.training.config import TrainConfig

FROZEN_RATE, HOLDOUT = 3e-3, 0.1
"""Of all beginnings alike: the rate of the head alone, and the share of the rows on which rates are compared."""


def run(context: Context) -> Result:
    """Each part where its files are there; else a sentence that says what is missing."""
    result = Result()
    _better_labels(context, result)
    _face_weights(context, result)
    _better_model(context, result)
    _film(context, result)
    result.left_out["future.data"] = (
        "Data sets of higher resolution (RAF-DB, AffectNet, folders of pictures) are loaded by the same commands, "
        "such as unmask train --data FOLDER; the study's own figures are about FER2013 alone."
    )
    return result


def _better_labels(context: Context, result: Result) -> None:
    """The same network, the same rows, the same recipe: FER2013's labels against FER+'s votes."""
    votes = context.inputs.find("votes")
    if votes is None:
        result.left_out["future.votes"] = (
            "Better labels: FER+'s votes were not given; name fer2013new.csv with --ferplus."
        )
        return
    training = context.dataset.select(context.dataset.splits == "Training")
    voted = eighty_twenty(join(training, votes), together=True, seed=0)
    epochs, measured = context.budget.future.votes_epochs, {}
    answers, evaluations = {}, {}
    for head in ("fer2013", "ferplus"):
        config = own_config(epochs, seed=0, together=True, heads={head: 1.0})
        done = train(context, config, voted, f"labels-{head}")
        answers[head] = done.answers(voted, use_votes=True)
        evaluations[head] = measure(answers[head])
        figures = evaluations[head].figures
        measured[head] = {name: figures[name] for name in ("accuracy", "macro_f1", "ece", "n")}
        own = done.answers(voted).figures()
        measured[head]["fer2013_accuracy"] = own["accuracy"]
    names = {"fer2013": "FER2013's labels", "ferplus": "FER+'s votes"}
    compared = compare(
        answers["ferplus"].right, answers["fer2013"].right, first=names["ferplus"], second=names["fer2013"]
    )
    result.data["labels"] = {"figures": measured, "comparison": compared.to_json()}
    result.value(
        "future.votes",
        measured["ferplus"]["accuracy"],
        interval=evaluations["ferplus"].intervals["accuracy"].to_json(),
        protocol=f"the own network, {epochs} epochs, against FER+'s majority on the 20 %",
        seeds=[0],
        mended={
            "quantity": "learned from FER2013's labels, measured the same way",
            "value": measured["fer2013"]["accuracy"],
        },
    )


def _face_weights(context: Context, result: Result) -> None:
    """One recipe from three beginnings: weights from ImageNet, weights trained on faces, random ones."""
    beginnings: dict[str, tuple[str, Path | None]] = {
        "ImageNet": ("mobilenet_imagenet", context.inputs.find("imagenet")),
        "faces": ("mobilenet_face", context.inputs.find("faces")),
    }
    if beginnings["ImageNet"][1] is None:
        result.left_out["future.imagenet"] = (
            f"MobileNetV2's ImageNet weights are not on this machine; {MOBILENET_HINT}."
        )
    if beginnings["faces"][1] is None:
        result.left_out["future.faces"] = (
            "Weights trained on faces were not given; name a MobileNetV1's with --face-weights."
        )
    there = {name: (recipe, path) for name, (recipe, path) in beginnings.items() if path is not None}
    if not there:
        result.left_out["future.scratch"] = "Without weights to compare with, nothing was trained from nothing."
        return
    budget = context.budget.future
    split = part(eighty_twenty(context.dataset, together=True, seed=0), rows=budget.rows, measured=budget.measured)
    figures: dict[str, Any] = {}
    for name, (recipe, path) in {**there, "nothing": ("mobilenet_scratch", None)}.items():
        begun = f"from-{name.lower()}"
        configs = {rate: _transfer_config(context, recipe, path, rate) for rate in budget.rates}
        best, _ = tuned(context, configs, split, begun, until=budget.tried_epochs)
        figures[name] = {"rate": best, **_interval(train(context, configs[best], split, f"{begun}-{best:g}"), split)}
    result.data["beginnings"] = {"figures": figures, "learned": int((split.splits == "Training").sum())}
    names = {"ImageNet": "future.imagenet", "faces": "future.faces", "nothing": "future.scratch"}
    for name, found in figures.items():
        result.value(
            names[name],
            found["accuracy"],
            interval=found["interval"],
            protocol=f"MobileNet at 96 pixels, {budget.epochs} epochs, {found['n']:,} rows measured, copies together",
            seeds=[0],
        )
    spans = [f["interval"] or (math.nan, math.nan) for f in figures.values()]
    errors = {"accuracy": [(high - low) / 2 for low, high in spans]}
    values = {"accuracy": [f["accuracy"] for f in figures.values()]}
    plot = bars(list(figures), values, errors=errors, y="accuracy", digits=3, title="One recipe, three beginnings")
    context.draw(result, "beginnings", plot, "Accuracy by the weights that training begins with; 95 % intervals.")


def _transfer_config(context: Context, recipe: str, path: Path | None, rate: float) -> TrainConfig:
    budget = context.budget.future
    changes: dict[str, Any] = {
        **length(recipe, budget.epochs),
        "transfer.frozen_epochs": budget.frozen_epochs,
        "transfer.frozen_rate": FROZEN_RATE,
        "learning_rate": rate,
        "holdout": HOLDOUT,
        "measured_split": MEASURED,
        "views": 1,
    }
    if path is not None:
        changes["initial"] = str(path)
    return configured(recipe, changes)


def _interval(done: Run, split: FaceDataset) -> dict[str, Any]:
    evaluation = measure(done.answers(split))
    figures = {name: evaluation.figures[name] for name in ("accuracy", "macro_f1", "n", "parameters")}
    return {**figures, "interval": evaluation.intervals["accuracy"].to_json()}


def _better_model(context: Context, result: Result) -> None:
    """The model inside the package beside the study's own network, on PublicTest, which neither has learned from."""
    if not (context.dataset.splits == "PublicTest").any():
        result.left_out["future.small"] = (
            "The model inside the package is measured on PublicTest, which this data does not have."
        )
        return
    own = context.results["own"]
    small = Classifier.load(threads=2)
    answers = answer([small], context.dataset, split="PublicTest")
    evaluation = measure(answers)
    figures = evaluation.figures
    result.data["small"] = {
        "model": small.card.identity,
        "parameters": small.card.parameters,
        "figures": {name: figures[name] for name in ("accuracy", "macro_f1", "ece", "n")},
        "deduplicated": figures["deduplicated"]["accuracy"],
        "own": own.data.get("public"),
        "own_parameters": own.values["own.parameters"]["value"],
    }
    result.value(
        "future.small",
        figures["accuracy"],
        interval=evaluation.intervals["accuracy"].to_json(),
        protocol=f"{small.card.identity}, {small.card.parameters:,} parameters, PublicTest, one view",
        mended={
            "quantity": "without rows whose pixels stand in Training",
            "value": figures["deduplicated"]["accuracy"],
        },
    )


def _film(context: Context, result: Result) -> None:
    """A film read frame by frame: who is seen, for how long, and the timeline."""
    film = context.inputs.find("film")
    if film is None:
        result.left_out["future.film"] = "Expressions in video: no film was given; name one with --film."
        return
    import unmask
    from unmask.timeline.people import FilmSummary
    from unmask.timeline.plot import timeline

    summary = FilmSummary(film.name)
    for reading in unmask.read(film):
        summary.add(reading)
    summary.finish()
    result.data["film"] = summary.to_json()
    result.value("future.film", summary.frames, protocol="frames read, each with its time")
    context.draw(result, "timeline", timeline([summary]), "Smoothed scores over time, a row a person.")
