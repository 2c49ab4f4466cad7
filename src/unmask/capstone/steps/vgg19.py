"""VGG-19 from given weights: rates tried on the head alone, the best one goes on with everything unfrozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unmask.capstone.budgets import Vgg19Budget
from unmask.capstone.inputs import VGG19_HINT
from unmask.capstone.measured import accuracy_value, record
from unmask.capstone.step import Context, Result
from unmask.capstone.training import configured, part, scaled, train
from unmask.datasets import FaceDataset
from unmask.datasets.splits import eighty_twenty
from unmask.networks.vgg import FaceVGG
from unmask.plots import lines
from unmask.training.config import TrainConfig
from unmask.training.finder import RateCurve, find_rate
from unmask.training.fit import Trainer
from unmask.training.pictures import curves

RECIPE_EPOCHS, RECIPE_RISE = 15, 4


def run(context: Context) -> Result:
    """Find rates, tune, train, measure; without weights say what is missing."""
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
    configs = {rate: config_of(budget, weights, rate) for rate in budget.rates}
    tried = {rate: _frozen_part(context, config, split, f"rate-{rate:g}") for rate, config in configs.items()}
    result.data["tuning"] = [
        {"rate": rate, "history": history, "holdout_loss": history[-1].get("holdout_loss")}
        for rate, (_, history) in tried.items()
    ]
    best = min(configs, key=lambda rate: tried[rate][1][-1].get("holdout_loss", rate))
    result.data["best_rate"] = best
    found = _finders(context, tried[best][0], budget)
    for name, curve in found.items():
        caption = f"Learning-rate finder, {name}: the loss while the rate grows."
        context.draw(result, f"finder_{name}", curve.plot(), caption)
    result.data["finder"] = {name: curve.suggestion for name, curve in found.items()}
    done = train(context, configs[best], split, f"rate-{best:g}")
    result.data["history"] = done.history
    context.draw(result, "curves", curves(done.history), "Loss by epoch; the first epochs train the head alone.")
    series = {
        f"rate {rate:g}": ([r["epoch"] for r in h], [r["holdout_loss"] for r in h])
        for rate, (_, h) in tried.items()
        if "holdout_loss" in h[-1]
    }
    caption = "Rates tried on the head alone; the lowest loss on held-out rows goes on."
    context.draw(result, "tuning", lines(series, title="Held-out loss", x="epoch", y="loss"), caption)
    _record(context, result, done.answers(split), str(done.model), split)
    return result


def config_of(budget: Vgg19Budget, weights: Path, rate: float) -> TrainConfig:
    """The recipe as large as the budget says, with one peak of the rate for the frozen epochs."""
    return configured(
        "vgg19",
        {
            "initial": str(weights),
            "epochs": budget.epochs,
            "warmup_epochs": scaled(budget.epochs, of=RECIPE_EPOCHS, rise=RECIPE_RISE),
            "transfer.frozen_epochs": budget.frozen_epochs,
            "transfer.frozen_rate": rate,
            "holdout": budget.holdout,
            "batch_size": budget.batch_size,
            "keep_copies": True,
            "measured_split": "Validation",
            "views": 1,
        },
    )


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


def _frozen_part(
    context: Context, config: TrainConfig, split: FaceDataset, name: str
) -> tuple[Trainer, list[dict[str, Any]]]:
    """Train the head alone, as the beginning of a whole run that can go on from there."""
    trainer = Trainer(config, split, context.folder / "runs" / name, device=context.device)
    frozen = config.transfer.frozen_epochs
    context.say(f"  {name}: {frozen} epochs of the head alone on {len(trainer.training):,} rows")
    trainer.fit(notify=context.notify, resume=True, until=frozen)
    keep = ("epoch", "train_loss", "holdout_loss", "holdout_fer2013", "learning_rate", "seconds")
    history = [{key: r[key] for key in keep if key in r} for r in trainer.history_[:frozen]]
    return trainer, history


def _finders(context: Context, trainer: Trainer, budget: Vgg19Budget) -> dict[str, RateCurve]:
    """What the finder sees with the body frozen and with everything learning."""
    context.say("  learning-rate finder")
    steps = budget.finder_steps
    return {
        name: find_rate(trainer, low=low, high=high, steps=steps, epoch=epoch, notify=context.notify)
        for name, epoch, low, high in (("frozen", 0, 1e-5, 1.0), ("unfrozen", budget.frozen_epochs, 1e-6, 0.1))
    }


def _record(context: Context, result: Result, answers: Any, model: str, split: FaceDataset) -> None:
    evaluation = record(context, result, "vgg19", answers, model=model)
    budget = context.budget.vgg19
    learned = int((split.splits == "Training").sum())
    protocol = (
        f"80/20, plainly drawn, {learned:,} rows, {budget.epochs} epochs, {budget.frozen_epochs} of them with the "
        "body frozen"
    )
    figures = evaluation.figures
    result.value("vgg19.accuracy", figures["accuracy"], seeds=[0], protocol=protocol, **accuracy_value(evaluation))
    interval = evaluation.intervals["macro_f1"].to_json()
    result.value("vgg19.macro_f1", figures["macro_f1"], interval=interval, seeds=[0], protocol=protocol)
    result.value("vgg19.confusion", figures["confusion"], seeds=[0], protocol=protocol)
    pairs = [[pair["actual"], pair["predicted"], pair["count"]] for pair in figures["most_confused"][:5]]
    result.value("vgg19.most_confused", pairs, seeds=[0], protocol=protocol)
    result.data["parameters"] = sum(p.numel() for p in FaceVGG(heads={"fer2013": 7}).parameters())
