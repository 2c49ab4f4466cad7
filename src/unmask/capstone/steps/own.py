"""The study's own network, trained on 80 % and measured on 20 %: with copies parted, as the study, and together."""

from __future__ import annotations

from typing import Any

import numpy as np

from unmask.capstone.measured import accuracy_value, record
from unmask.capstone.step import Context, Result
from unmask.capstone.training import MEASURED, Run, own_config, train
from unmask.datasets import FaceDataset
from unmask.datasets.splits import eighty_twenty
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.measure import measure
from unmask.explain import open_network
from unmask.explain.page import COLUMNS, cells, totals
from unmask.models import Classifier
from unmask.plots import lines

BLOCKS = ("block1.1", "block2.1", "block3.1", "block4.1", "conv5.2", "pool")
"""Whose maps the study counts: 24, 12, 6, 3, 2, 1."""


def run(context: Context) -> Result:
    """Train every seed, measure the first one wholly, and count the network's parts."""
    result, budget = Result(), context.budget.own
    runs: dict[str, list[dict[str, Any]]] = {"parted": [], "together": []}
    for way, seeds in (("parted", budget.parted), ("together", budget.together)):
        for seed in seeds:
            split = eighty_twenty(context.dataset, together=way == "together", seed=seed)
            config = own_config(budget.epochs, seed=seed, together=way == "together")
            done = train(context, config, split, f"{way}-{seed}")
            figures = evaluate(Classifier.load(done.model), split, split=MEASURED)
            runs[way].append({"seed": seed, **_kept(figures), "history": done.history})
            if not result.values:
                _record_first(context, result, done, split)
    result.data["runs"] = runs
    accuracies = [one["accuracy"] for one in runs["parted"]]
    together = [one["accuracy"] for one in runs["together"]]
    row = result.values["own.accuracy"]
    row |= {"value": float(np.mean(accuracies)), "draws": accuracies, "seeds": list(budget.parted)}
    if len(accuracies) > 1:  # the interval is that of the first run alone
        row |= {"interval": None, "std": float(np.std(accuracies, ddof=1))}
    if together:
        row["mended"] = {
            "quantity": f"all copies of an image on one side, {len(together)} splits",
            "value": float(np.mean(together)),
        }
    result.values["conclusion.own_accuracy"] = dict(row)
    series: dict[str, Any] = {
        f"{way} {one['seed']}": ([r["epoch"] for r in one["history"]], [r["train_loss"] for r in one["history"]])
        for way, all_ in runs.items()
        for one in all_
    }
    curves = lines(series, title="Training loss by epoch", x="epoch", y="loss")
    context.draw(result, "curves", curves, "One curve a run: copies parted or together, and the seed.")
    return result


def _record_first(context: Context, result: Result, done: Run, split: FaceDataset) -> None:
    """Everything about the first run, which also stands for all in the other steps."""
    result.data["model"] = str(done.model.relative_to(context.folder))
    answers = done.answers(split)
    evaluation = record(context, result, "own", answers, model=str(done.model))
    protocol = f"80/20, plainly drawn, {context.budget.own.epochs} epochs, the last kept"
    result.value("own.accuracy", evaluation.figures["accuracy"], protocol=protocol, **accuracy_value(evaluation))
    interval = evaluation.intervals["macro_f1"].to_json()
    result.value("own.macro_f1", evaluation.figures["macro_f1"], interval=interval, protocol=protocol, seeds=[0])
    if (context.dataset.splits == "PublicTest").any():
        public = done.answers(context.dataset, "PublicTest")
        measured = measure(public)
        result.data["public"] = _kept(measured.figures)
        result.value(
            "own.public",
            measured.figures["accuracy"],
            protocol="the same model on PublicTest, which is no part of the 80/20 split",
            seeds=[0],
            **accuracy_value(measured),
        )
    else:
        result.left_out["own.public"] = "The data has no test rows, so nothing is measured on PublicTest."
    network = open_network(done.model, engine="torch")
    layers = network.layers
    by_name = {layer.name: layer for layer in layers}
    result.data["layers"] = [["layer", *COLUMNS], *([layer.name, *cells(layer)] for layer in layers)]
    result.data["layers"].append(["in all", *totals(layers)])
    parameters, unseen = (sum(getattr(layer, name) for layer in layers) for name in ("parameters", "unseen"))
    result.value("own.parameters", parameters)
    result.value("own.convolutions", sum(layer.kind.startswith("conv") for layer in layers))
    result.value("own.linear", sum(layer.kind.startswith("linear") for layer in layers))
    result.value("own.maps", [by_name[name].shape[1] for name in BLOCKS])
    result.value(
        "own.unseen",
        unseen / parameters,
        protocol="parameters that only ever meet padding",
        mended={"quantity": "parameters of the same network without them", "value": parameters - unseen},
    )


def _kept(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures of one run that the report uses."""
    names = ("accuracy", "balanced_accuracy", "macro_f1", "ece", "nll", "n")
    apart = figures["deduplicated"]
    return {
        **{name: figures[name] for name in names},
        "deduplicated": None if apart is None else {name: apart[name] for name in names},
    }
