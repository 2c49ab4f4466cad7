"""What each ingredient of a recipe gives: short runs of `nano`'s, each with one thing changed, over several seeds.

A fifth of Training is held out, copies together, another fifth for each seed; all runs of a seed have the same rows,
so that what two of them answer is compared row by row. Those rows are what an ingredient is chosen on; PublicTest's
figures stand beside them and choose nothing. `base`, the teacher, is the model of the package, which has learned from
most of the rows held out here, though its pupil hears nothing about those.

The interval of a gain is a bootstrap over seeds and, within each, over rows. Runs that are done are not done again, and
one that was stopped goes on.

usage: python benchmarks/ablation.py --data fer2013.csv --ferplus fer2013new.csv --out runs/ablation
                                     [--seeds 3] [--epochs 8] [--processes 2] [--device cpu]
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unmask.datasets import UNLABELLED, load_dataset
from unmask.evaluation.answers import reference_labels
from unmask.evaluation.intervals import DRAWS, Interval, interval
from unmask.models import Classifier
from unmask.training.config import TrainConfig, load_config
from unmask.training.finish import trained
from unmask.training.targets import training_rows

RECIPE = Path(__file__).parents[1] / "recipes" / "nano.toml"
ALONE = ("distillation.live=false", "distillation.teachers=[]", "holdout=0.2", "warmup_epochs=1", "ema_decay=0.99")
CHANGES: dict[str, tuple[str, ...]] = {
    "the recipe without teachers": (),
    "taught by `base`, asked once": ('distillation.teachers=["base"]',),
    "labels alone, without the votes": ("heads={fer2013=1.0}",),
    "votes alone, without the labels": ("heads={ferplus=1.0}",),
    "no average of the weights": ("ema_decay=0.0",),
    "sharpness-aware (SAM, radius 0.05)": ("sam=0.05",),
    "mixup (0.2)": ("mixup=0.2",),
    "no erasing": ("augmentation.erase=0.0",),
    "no poor views": ("augmentation.degrade=0.0",),
    "re-parameterised (RepVGG, as deep)": (
        "network=repvgg",
        "arguments={widths=[16,32,40,46],blocks=[1,4,2,2],dropout=0.0}",
    ),
    "twice as long": (),
}
HEADS = ("ferplus", "fer2013")


@dataclass(frozen=True)
class Run:
    """What one run answers: by head, whether each held-out row is right ``(N,)``, and its accuracy on PublicTest."""

    right: dict[str, NDArray[np.bool_]]
    measured: dict[str, float]


def config_of(change: str, seed: int, epochs: int) -> TrainConfig:
    """The recipe with one change."""
    epochs *= 2 if change == "twice as long" else 1
    return load_config(RECIPE, [*ALONE, f"epochs={epochs}", f"seed={seed}", *CHANGES[change]])


def run(change: str, seed: int, arguments: argparse.Namespace) -> Run:
    """Train one configuration, and ask it about the rows held out."""
    torch.set_num_threads(max(1, torch.get_num_threads() // arguments.processes))
    dataset = load_dataset(arguments.data, ferplus_path=arguments.ferplus)
    config = config_of(change, seed, arguments.epochs)
    number = list(CHANGES).index(change)
    folder = trained(config, dataset, arguments.out / f"{number:02}-{seed}", device=arguments.device)
    classifier = Classifier.load(folder)
    held = training_rows(dataset, holdout=config.holdout, seed=seed)[1]
    public = dataset.split("PublicTest")
    right: dict[str, NDArray[np.bool_]] = {}
    measured: dict[str, NDArray[np.bool_]] = {}
    for head in config.heads:
        for rows, keep in ((held, right), (public, measured)):
            labels, _ = reference_labels(rows, use_votes=head == "ferplus")
            known = labels != UNLABELLED
            keep[head] = classifier.probs(rows.images[known], head=head).argmax(axis=1) == labels[known]
    print(f"{change}, seed {seed}: done", file=sys.stderr)
    return Run(right, {head: float(hits.mean()) for head, hits in measured.items()})


def gain(runs: Sequence[Run], plain: Sequence[Run], head: str) -> Interval:
    """Mean over seeds of the difference in accuracy on the held-out rows, with its interval."""
    differences = [ours.right[head].astype(int) - theirs.right[head] for ours, theirs in zip(runs, plain, strict=True)]
    rows = np.array([len(difference) for difference in differences])
    counts = np.array([[(difference == value).sum() for value in (-1, 0, 1)] for difference in differences])
    generator = np.random.default_rng(0)
    # Drawing rows with replacement is drawing these counts; see unmask.evaluation.intervals.
    drawn = generator.multinomial(rows, counts / rows[:, None], size=(DRAWS, len(rows)))  # (DRAWS, seeds, 3)
    means = (drawn[..., 2] - drawn[..., 0]) / rows
    seeds = generator.integers(len(rows), size=means.shape)
    value = float(np.mean((counts[:, 2] - counts[:, 0]) / rows))
    return interval(value, np.take_along_axis(means, seeds, axis=1).mean(axis=1))


def points(difference: float) -> str:
    """A difference of shares, in points of per cent."""
    return f"{difference * 100:+.1f}"


def row(change: str, runs: Sequence[Run], plain: Sequence[Run]) -> str:
    """A row of the table."""
    cells = [change]
    for head in HEADS:
        if head not in runs[0].right:
            cells += ["-", "-"]
            continue
        cells.append(f"{np.mean([r.right[head].mean() for r in runs]) * 100:.1f}")
        found = gain(runs, plain, head)
        same = runs is plain
        cells.append("" if same else f"{points(found.value)} ({found.between(points)})")
    for head in HEADS:
        known = [r.measured[head] * 100 for r in runs if head in r.measured]
        cells.append(f"{np.mean(known):.1f}" if known else "-")
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--ferplus", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2, help="runs side by side (default: %(default)s)")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()

    jobs = list(itertools.product(range(arguments.seeds), CHANGES))
    spawn = multiprocessing.get_context("spawn")  # a forked copy of PyTorch's threads hangs
    with ProcessPoolExecutor(arguments.processes, mp_context=spawn, max_tasks_per_child=1) as pool:
        futures = {job: pool.submit(run, job[1], job[0], arguments) for job in jobs}
        done = {job: future.result() for job, future in futures.items()}

    runs = {change: [done[seed, change] for seed in range(arguments.seeds)] for change in CHANGES}
    plain = next(iter(runs.values()))
    print("| | held out: FER+ | gain | held out: FER2013 | gain | PublicTest: FER+ | FER2013 |")
    print("|---|---|---|---|---|---|---|")
    for change, of_change in runs.items():
        print(row(change, of_change, plain))
    return 0


if __name__ == "__main__":
    sys.exit(main())
