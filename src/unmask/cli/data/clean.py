"""``unmask data clean``: labels that models doubt, a page to decide about them, and the data set that follows."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.data import check_heeded
from unmask.cli.loading import add_loading_options, check_outputs, check_outside, load
from unmask.cli.text import counted, tell
from unmask.cli.values import whole
from unmask.writing import try_file

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from unmask.datasets import FaceDataset
    from unmask.datasets.cleaning import Suspect
    from unmask.training.config import TrainConfig

    Judge = Callable[[FaceDataset, NDArray[np.int64]], NDArray[np.float64]]
    """From a data set and positions ``(N,)`` to probabilities ``(N, C)``."""

LIST, PAGE = "suspects.csv", "suspects.html"
"""Files in the folder that --out names."""

SPLIT = "Training"
"""Whose labels are judged unless told otherwise."""

SHOWN = 300
"""Suspects on the page unless told otherwise."""

HEEDED = {
    "split": ("--config", "--model"),
    "most": ("--config", "--model", "--list"),
    "folds": ("--config",),
    "set": ("--config",),
    "device": ("--config",),
}
"""Options that only some ways of judging heed, and --apply none."""


def add_parser(actions: Any) -> None:
    """Register the action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "clean",
        help="find labels that models doubt, decide about them, write the corrected data set",
        description="Rank the labels of a split by how much models doubt them and write OUT/suspects.csv with "
        "OUT/suspects.html, on which a person keeps, drops or relabels each; then write the data set that follows with "
        "--apply. Decisions that OUT/suspects.csv holds already are kept. The original is never changed.",
    )
    add_loading_options(parser, positional=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", metavar="FILE.toml", help="judge each row by a network trained on the other folds")
    what.add_argument("--model", metavar="NAME", help="judge with a finished model, which should not know the rows")
    what.add_argument("--list", type=Path, metavar="FILE.csv", help="make the page of a list that is there already")
    what.add_argument("--apply", type=Path, metavar="FILE.csv", help="carry out the decisions of a list")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of list and page; with --apply the data set to write"
    )
    parser.add_argument("--split", help=f"whose labels are judged (default: {SPLIT})")
    parser.add_argument("--most", type=whole(1), help=f"suspects shown on the page (default: {SHOWN})")
    group = parser.add_argument_group("with --config")
    group.add_argument("--folds", type=whole(2, 100), help="networks to train; stopped runs go on (default: 5)")
    group.add_argument("--set", action="append", metavar="KEY=VALUE", help="change a value of the recipe")
    group.add_argument("--device", help="cpu, cuda or mps (default: cpu)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge and list, or carry out."""
    from unmask.datasets.cleaning import check_list, read_suspects
    from unmask.datasets.cleaning_page import write_cleaning_page
    from unmask.datasets.export import check_place

    way = next(name for name in ("config", "model", "list", "apply") if getattr(arguments, name) is not None)
    check_heeded(arguments, f"--{way}", HEEDED)
    judge = _by_model(arguments) if arguments.model else _by_folds(arguments) if arguments.config else None
    check_outside(arguments, {"--out": arguments.out})
    if arguments.apply:
        check_place(arguments.out)
        check_outputs(arguments, {"--out": arguments.out}, arguments.apply)
    else:
        written = PAGE if judge is None else LIST
        check_outputs(arguments, {"--out": arguments.out / written}, arguments.config, arguments.list)
        try_file(arguments.out / written)
    dataset, code = load(arguments)
    if arguments.apply:
        _apply(dataset, arguments.apply, arguments.out)
        return code
    if judge is None:
        found = read_suspects(arguments.list)
        check_list(dataset, found)
    else:
        found = _judged(dataset, judge, arguments)
    write_cleaning_page(dataset, found, arguments.out / PAGE, most=arguments.most or SHOWN)
    tell(arguments.out / PAGE)
    return code


def _judged(dataset: FaceDataset, judge: Judge, arguments: argparse.Namespace) -> list[Suspect]:
    """The list of suspects, written, with what has been decided about them before."""
    from unmask.datasets.cleaning import carry_over, decided_before, labelled_rows, suspects, write_suspects

    path = arguments.out / LIST
    decided = decided_before(dataset, path)
    rows = labelled_rows(dataset, arguments.split or SPLIT)
    doubted = suspects(dataset, rows, judge(dataset, rows))
    found = carry_over(doubted, decided)
    write_suspects(found, path)
    print(f"{len(doubted):9,}  of {len(rows):,} labels are doubted")
    if decided:
        print(f"{len(decided):9,}  decisions carried over from the list that was there")
    return found


def _by_model(arguments: argparse.Namespace) -> Judge:
    """A finished model, loaded before the data is."""
    from unmask.cli.progress import Progress
    from unmask.evaluation.answers import predictor
    from unmask.models import Classifier

    classifier = Classifier.load(arguments.model)

    def judge(dataset: FaceDataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        card = classifier.card
        if card.has_learned(dataset.checksum, arguments.split or SPLIT) or card.learned_otherwise(
            dataset.checksum, dataset.division
        ):
            tell(
                f"{card.identity} has learned from rows of this data and doubts too few of those; --config "
                "judges each row by a network that has not seen it"
            )
        with Progress("crops", total=len(rows)) as progress:
            return predictor([classifier], dataset.taxonomy, advance=progress.advance)(dataset.images[rows])

    return judge


def _by_folds(arguments: argparse.Namespace) -> Judge:
    """Networks that each have not seen a part of the rows; the recipe is read before the data is."""
    from unmask.cli.progress import Progress
    from unmask.cli.train import need_torch, on_terminal

    device = arguments.device or "cpu"
    need_torch(None, device)

    from unmask.training import folds
    from unmask.training.config import load_config
    from unmask.training.finish import trained

    recipe = load_config(arguments.config, arguments.set or [])

    def train(config: TrainConfig, parted: FaceDataset, name: str) -> Path:
        tell(f"{name}, {counted(config.epochs, 'epoch')}")
        with ExitStack() as stack:
            notify = on_terminal(config, stack.enter_context(Progress("batches")))
            return trained(config, parted, arguments.out / name, device=device, notify=notify)

    def judge(dataset: FaceDataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return folds.judge(dataset.select(rows), recipe, folds=arguments.folds or 5, train=train)

    return judge


def _apply(dataset: FaceDataset, decisions: Path, out: Path) -> None:
    from unmask.datasets.cleaning import decide, read_suspects
    from unmask.datasets.export import write_dataset

    decided = decide(dataset, read_suspects(decisions))
    write_dataset(decided.dataset, out)
    print(f"{decided.dropped:9,}  dropped")
    print(f"{decided.relabelled:9,}  relabelled")
    print(f"{decided.kept:9,}  kept")
    print(f"{decided.undecided:9,}  undecided, kept as they are")
    tell(f"{out}: {len(decided.dataset):,} of {len(dataset):,} rows")
