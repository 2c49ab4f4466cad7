"""The study's protocol: a recipe trained on 80 % of FER2013's labelled rows and measured on the other 20 %.

``--copies parted`` draws the rows as the study did, plainly at random, so that some of the 20 % are exact copies of
training images; ``--copies together`` keeps all copies of an image on one side. The recipe, with every default written
out, the history and the figures go to RESULTS; the weights stay in the run's folder, from which a stopped run goes on.

usage: python benchmarks/eighty_twenty.py RECIPE.toml FER2013.csv --copies together --out RUN --results RESULTS
                                          [--ferplus FER2013NEW.csv] [--set KEY=VALUE] [--device DEVICE] [--threads N]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch

from unmask.datasets import load_dataset
from unmask.datasets.splits import eighty_twenty
from unmask.training.config import load_config, save_config
from unmask.training.finish import finish
from unmask.training.fit import Trainer
from unmask.writing import write_whole


def report(event: str, record: dict[str, Any]) -> None:
    """One line an epoch on standard error."""
    if event == "epoch":
        shown = "  ".join(f"{key} {value:.4g}" for key, value in record.items() if not isinstance(value, list))
        print(shown, file=sys.stderr, flush=True)


def main() -> int:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("data")
    parser.add_argument("--copies", choices=("parted", "together"), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--ferplus")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--split-seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    together = arguments.copies == "together"
    config = load_config(arguments.recipe, ["measured_split=Validation", *arguments.set])
    config = dataclasses.replace(config, keep_copies=not together)
    rows = load_dataset(arguments.data, ferplus_path=arguments.ferplus)
    dataset = eighty_twenty(rows, together=together, seed=arguments.split_seed)
    trainer = Trainer(config, dataset, arguments.out, device=arguments.device)
    trainer.fit(notify=report, resume=True)
    card = finish(trainer, dataset, arguments.out / "model")
    save_config(arguments.results / "config.json", config)
    write_whole(arguments.results / "history.json", json.dumps(trainer.history_) + "\n")
    write_whole(arguments.results / "metrics.json", json.dumps(card.metrics, indent=1) + "\n")
    for name, figures in card.metrics.items():
        print(f"{name}: accuracy {figures['accuracy']:.4f}, macro-F1 {figures['macro_f1']:.4f}, n {figures['n']}")
        print(f"  without copies: accuracy {figures['deduplicated']['accuracy']:.4f}, n {figures['deduplicated']['n']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
