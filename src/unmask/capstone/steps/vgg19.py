"""VGG-19 from given weights: rates tried on the head alone, the best one goes on with everything unfrozen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unmask.capstone.budgets import Vgg19Budget
from unmask.capstone.inputs import VGG19_HINT
from unmask.capstone.measured import accuracy_value, record
from unmask.capstone.step import Context, Result
from unmask.capstone.training import Tried, configured, length, part, train, tuned
from unmask.datasets import FaceDataset
from unmask.datasets.splits import eighty_twenty
from unmask.networks.vgg import FaceVGG
from unmask.parsing import parse_json
from unmask.plots import lines
from unmask.training.config import TrainConfig
from unmask.training.finder import RateCurve, find_rate
from unmask.training.fit import Trainer, best_record
from unmask.training.pictures import curves
from unmask.writing import write_whole


def run(context: Context) -> Result:
    """Find rates, tune the head, unfreeze, tune again, train, measure; without weights say what is missing."""
    result, budget = Result(), context.budget.vgg19
    weights = context.inputs.find("weights")
    if weights is None:
        result.left_out["vgg19"] = f"VGG-19 needs its ImageNet weights, which are not on this machine; {VGG19_HINT}."
        return result
    result.data["weights"] = what_it_is(weights)
    split = part(
        eighty_twenty(context.dataset, together=False, seed=0),
        rows_per_class=budget.rows_per_class,
        measured=budget.measured,
    )
    heads = {rate: head_config(budget, str(weights), rate) for rate in budget.frozen_rates}
    found = {"frozen": _finder(context, "frozen", next(iter(heads.values())), split, low=1e-5, high=1.0)}
    head_rate, tried = tuned(context, heads, split, "head", until=budget.frozen_epochs)
    head = str(context.folder / "runs" / f"head-{head_rate:g}")
    wholes = {rate: whole_config(budget, head, rate) for rate in budget.rates}
    found["unfrozen"] = _finder(context, "unfrozen", next(iter(wholes.values())), split, low=1e-6, high=0.1)
    best, tried_whole = tuned(context, wholes, split, "whole", until=budget.tried_epochs)
    done = train(context, wholes[best], split, f"whole-{best:g}")
    result.data |= {
        "finder": {name: curve.suggestion for name, curve in found.items()},
        "tuning": {"frozen": _listed(tried), "unfrozen": _listed(tried_whole)},
        "best_rate": {"frozen": head_rate, "unfrozen": best},
        "kept_epoch": best_record(done.history)["epoch"],
        "history": {"frozen": tried[head_rate], "unfrozen": done.history},
    }
    _draw(context, result, found, {"head alone": tried, "all": tried_whole})
    _record(context, result, done.answers(split), str(done.model), split)
    return result


def head_config(budget: Vgg19Budget, weights: str, rate: float) -> TrainConfig:
    """The recipe for the head alone; its last epoch, which a configuration must have unfrozen, is never reached."""
    changes = {
        "initial": weights,
        "epochs": budget.frozen_epochs + 1,
        "warmup_epochs": 1,
        "transfer.frozen_epochs": budget.frozen_epochs,
        "transfer.frozen_rate": rate,
    }
    return configured("vgg19", {**changes, **_common(budget)})


def whole_config(budget: Vgg19Budget, head: str, rate: float) -> TrainConfig:
    """The recipe for everything, from the network whose head has learned; early layers learn more slowly.

    The epoch with the lowest loss on held-out rows is the one that is kept.
    """
    changes = {
        "initial": head,
        **length("vgg19", budget.epochs),
        "transfer.frozen_epochs": 0,
        "learning_rate": rate,
        "patience": budget.epochs,  # goes to the end, and keeps the best epoch
    }
    return configured("vgg19", {**changes, **_common(budget)})


def _common(budget: Vgg19Budget) -> dict[str, Any]:
    return {
        "holdout": budget.holdout,
        "batch_size": budget.batch_size,
        "keep_copies": True,
        "measured_split": "Validation",
        "views": 1,
    }


def what_it_is(weights: Path) -> str:
    """What a file of weights says of itself, in words for the report."""
    if "expanded" in weights.name:
        return (
            "VGG-16's published ImageNet weights expanded to VGG-19's shape: three of the sixteen convolutions pass "
            "their input on, so the body computes what VGG-16 computes. It is not the published VGG-19"
        )
    try:
        with safe_open(weights, framework="pt") as file:
            told = (file.metadata() or {}).get("description", "")
    except (SafetensorError, OSError):
        told = ""
    return told or f"the file {weights.name}"


def _listed(tried: Tried) -> list[dict[str, Any]]:
    return [{"rate": rate, "history": history} for rate, history in tried.items()]


def _finder(
    context: Context, name: str, config: TrainConfig, split: FaceDataset, *, low: float, high: float
) -> RateCurve:
    """The finder's curve, computed once and kept."""
    kept = context.folder / f"finder_{name}.json"
    if kept.is_file():
        values = parse_json(kept.read_text(encoding="utf-8"))
        arguments = {key: tuple(values[key]) for key in ("rates", "losses", "smooth")}
        return RateCurve(**arguments, diverged=values["diverged"])
    context.say(f"  learning-rate finder, {name}")
    trainer = Trainer(config, split, context.folder / "runs" / f"finder-{name}", device=context.device)
    steps = context.budget.vgg19.finder_steps
    curve = find_rate(trainer, low=low, high=high, steps=steps, notify=context.notify)
    write_whole(kept, json.dumps(curve.to_json(), indent=1) + "\n")
    return curve


def _draw(context: Context, result: Result, found: dict[str, RateCurve], tried: dict[str, Tried]) -> None:
    for name, curve in found.items():
        caption = f"Learning-rate finder, body {name}: the loss while the rate grows."
        context.draw(result, f"finder_{name}", curve.plot(), caption)
    for name, loss, title in (
        ("tuning_training", "train_loss", "Training loss"),
        ("tuning", "holdout_loss", "Held-out loss"),
    ):
        series: dict[str, Any] = {
            f"{stage}, rate {rate:g}": ([r["epoch"] for r in history], [r[loss] for r in history])
            for stage, histories in tried.items()
            for rate, history in histories.items()
        }
        caption = f"{title} of each rate that was tried."
        context.draw(result, name, lines(series, title=title, x="epoch", y="loss"), caption)
    frozen, unfrozen = result.data["history"]["frozen"], result.data["history"]["unfrozen"]
    later = [{**record, "epoch": record["epoch"] + len(frozen)} for record in unfrozen]
    caption = f"Loss by epoch; the first {len(frozen)} train the head alone."
    context.draw(result, "curves", curves([*frozen, *later]), caption)


def _record(context: Context, result: Result, answers: Any, model: str, split: FaceDataset) -> None:
    evaluation = record(context, result, "vgg19", answers, model=model)
    budget = context.budget.vgg19
    learned = int((split.splits == "Training").sum())
    protocol = (
        f"80/20, plainly drawn, {learned:,} rows, {budget.frozen_epochs} epochs of the head and {budget.epochs} of "
        f"everything, of which number {result.data['kept_epoch']} is kept"
    )
    figures = evaluation.figures
    result.value("vgg19.accuracy", figures["accuracy"], seeds=[0], protocol=protocol, **accuracy_value(evaluation))
    interval = evaluation.intervals["macro_f1"].to_json()
    result.value("vgg19.macro_f1", figures["macro_f1"], interval=interval, seeds=[0], protocol=protocol)
    result.value("vgg19.confusion", figures["confusion"], seeds=[0], protocol=protocol)
    pairs = [[pair["actual"], pair["predicted"], pair["count"]] for pair in figures["most_confused"][:5]]
    result.value("vgg19.most_confused", pairs, seeds=[0], protocol=protocol)
    result.data["parameters"] = sum(p.numel() for p in FaceVGG(heads={"fer2013": 7}).parameters())
