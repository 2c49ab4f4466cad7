"""``unmask tune``: a learning rate for a recipe, and a search over its hyper-parameters."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.loading import check_outside, load
from unmask.cli.text import tell
from unmask.cli.train import add_run_arguments, need_torch
from unmask.cli.values import whole
from unmask.writing import printable

if TYPE_CHECKING:
    from unmask.training.search import Trial


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("tune", help="find a learning rate, or search hyper-parameters")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    rate = actions.add_parser(
        "rate",
        help="find a learning rate",
        description="Let the learning rate grow exponentially over some steps until the loss diverges. Prints the "
        "suggested peak; OUT/rate.json holds every step, OUT/rate.svg shows them.",
    )
    add_run_arguments(rate)
    rate.add_argument("--low", type=float, default=1e-6, help="first learning rate (default: %(default)s)")
    rate.add_argument("--high", type=float, default=1.0, help="last learning rate (default: %(default)s)")
    rate.add_argument("--steps", type=whole(10), default=100, help="number of steps (default: %(default)s)")
    rate.add_argument("--epoch", type=whole(1), default=1, help="epoch whose frozen layers are frozen (default: 1)")
    rate.set_defaults(run=_rate)

    searching = actions.add_parser(
        "search",
        help="search hyper-parameters",
        description="Train draws from a space of hyper-parameters (a TOML plan) and compare them on held-out rows. "
        "OUT/trials.json holds all results; a search that was stopped goes on from OUT.",
    )
    add_run_arguments(searching)
    searching.add_argument("--plan", required=True, metavar="FILE.toml", help="the plan: trials, method, space")
    searching.add_argument("--format", choices=("table", "json"), default="table")
    searching.set_defaults(run=_search)


def _rate(arguments: argparse.Namespace) -> int:
    need_torch(arguments.threads, arguments.device)

    from unmask.cli.progress import Progress
    from unmask.errors import ConfigError, UnmaskError
    from unmask.plots import to_svg
    from unmask.training.config import load_config
    from unmask.training.finder import find_rate
    from unmask.training.fit import Trainer
    from unmask.writing import write_whole

    out = Path(arguments.out)
    check_outside(arguments, {"--out": out})
    config = load_config(arguments.config, arguments.set)
    if arguments.epoch > config.epochs:
        raise ConfigError(f"--epoch {arguments.epoch}: the recipe has epochs 1 to {config.epochs}")
    dataset, code = load(arguments)
    trainer = Trainer(config, dataset, out, device=arguments.device)
    with Progress("steps", arguments.steps) as progress:

        def notify(event: str, record: dict[str, Any]) -> None:
            progress.advance(note=f"loss {record['loss']:.3f}")

        curve = find_rate(
            trainer,
            low=arguments.low,
            high=arguments.high,
            steps=arguments.steps,
            epoch=arguments.epoch - 1,
            notify=notify,
        )
    write_whole(out / "rate.json", json.dumps(curve.to_json(), indent=1) + "\n")
    write_whole(out / "rate.svg", to_svg(curve.plot()))
    if not curve.falls:
        raise UnmaskError(
            f"the loss fell at no rate from {arguments.low:g} to {arguments.high:g} (see {out / 'rate.svg'}); "
            "begin lower with --low, or take more --steps"
        )
    end = "diverged" if curve.diverged else "did not diverge: try a higher --high"
    tell(f"{len(curve.rates)} steps, {end}; steepest at {curve.steepest:.2g}, least loss at {curve.lowest:.2g}")
    print(f"{curve.suggestion:.2g}")
    return code


def _search(arguments: argparse.Namespace) -> int:
    need_torch(arguments.threads, arguments.device)

    from unmask.training.search import load_plan, search
    from unmask.training.typed import apply_overrides, read_table

    check_outside(arguments, {"--out": Path(arguments.out)})
    plan = load_plan(arguments.plan)
    recipe = read_table(arguments.config)
    apply_overrides(recipe, arguments.set)
    dataset, code = load(arguments)

    def notify(trial: Trial) -> None:
        score = trial.failure or f"{plan.objective} {trial.score:.4g}"
        print(f"trial {trial.number:3}  epoch {trial.epochs:3}  {printable(score)}", file=sys.stderr, flush=True)

    trials = search(plan, recipe, dataset, Path(arguments.out), device=arguments.device, notify=notify)
    if arguments.format == "json":
        print((Path(arguments.out) / "trials.json").read_text(encoding="utf-8"), end="")
        return code
    print(f"{'trial':>5}  {'epochs':>6}  {plan.objective:>16}  settings")
    for trial in trials:
        score = "failed" if trial.score is None else f"{trial.score:.4f}"
        settings = " ".join(f"{key}={value}" for key, value in trial.settings.items())
        print(f"{trial.number:5}  {trial.epochs:6}  {score:>16}  {settings}")
    return code
