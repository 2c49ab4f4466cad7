"""``unmask train``: from a recipe and a data set to a model file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "train",
        help="train a network from a recipe",
        description="Train a network from a recipe (TOML). The run's folder keeps a checkpoint after every epoch, the "
        "history, and at the end the model: OUT/model, calibrated and measured.",
    )
    parser.add_argument("--config", required=True, metavar="FILE.toml", help="the recipe")
    parser.add_argument("--data", required=True, metavar="FILE", help="FER2013 in one of its CSV layouts")
    parser.add_argument("--ferplus", metavar="FILE", help="FER+'s votes for the same rows")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one value of the recipe"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last epoch in OUT")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: all cores)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, export, measure."""
    from pathlib import Path

    from unmask.errors import InputError, MissingExtraError

    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtraError("torch", "train") from None

    from unmask.cli.progress import Progress
    from unmask.datasets import load_dataset
    from unmask.training.config import load_config
    from unmask.training.finish import finish
    from unmask.training.fit import Trainer

    config = load_config(arguments.config, arguments.set)
    out = Path(arguments.out)
    if (out / "checkpoint.safetensors").exists() and not arguments.resume:
        raise InputError(f"{out} holds a run already; go on with --resume, or name another folder")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    dataset = load_dataset(arguments.data, ferplus_path=arguments.ferplus)
    trainer = Trainer(config, dataset, out, device=arguments.device)
    print(
        f"unmask: {len(trainer.training.images):,} rows to train on, "
        f"{sum(p.numel() for p in trainer.network.parameters()):,} parameters, {config.epochs} epochs",
        file=sys.stderr,
    )

    with Progress("batches") as progress:

        def notify(event: str, record: dict[str, Any]) -> None:
            if event == "batch":
                progress.total = progress.total or (config.epochs - record["epoch"] + 1) * record["batches"]
                progress.advance(note=f"epoch {record['epoch']}/{config.epochs}  loss {record['loss']:.3f}")
            else:
                progress.clear()
                shown = "  ".join(f"{key} {value:.4g}" for key, value in record.items() if key != "epoch")
                print(f"epoch {record['epoch']:3}/{config.epochs}  {shown}", file=sys.stderr, flush=True)

        trainer.fit(notify=notify, resume=arguments.resume)
    card = finish(trainer, dataset, out / "model")
    (out / "model" / "history.json").write_text(json.dumps(trainer.history_, indent=1) + "\n", encoding="utf-8")
    for protocol, figures in card.metrics.items():
        print(f"{protocol}: accuracy {figures['accuracy']:.4f}", file=sys.stderr)
    print(out / "model")
    return 0
