"""``unmask data split``: a split as a small file that can be committed."""

from __future__ import annotations

import argparse
from typing import Any

from unmask.cli.data import check_heeded
from unmask.cli.loading import add_loading_options, check_outputs, load
from unmask.cli.text import tell
from unmask.cli.values import file_with, whole

HEEDED = {
    "fraction": ("--method holdout",),
    "folds": ("--method kfold",),
    "training": ("--method study-sample",),
    "validation": ("--method study-sample",),
    "no_stratify": ("--method holdout", "--method kfold"),
}
"""Options that only some methods heed."""


def add_parser(actions: Any) -> None:
    """Register the action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "split",
        help="draw a split and write it as a small file",
        description="Draw a split of the rows. All copies of an image, and all rows of a subject, stay on one side "
        "(not with the study's two methods, which drew each row alone). The file fits this data only.",
    )
    add_loading_options(parser, positional=True)
    parser.add_argument("--out", type=file_with(".json"), required=True, metavar="FILE.json", help="the file to write")
    parser.add_argument(
        "--method",
        choices=("holdout", "kfold", "study", "study-sample"),
        default="holdout",
        help="holdout: a share to validate on; kfold; study: the study's 80/20 (which is of --within Training); "
        "study-sample: 100 + 50 images of each class (default: %(default)s)",
    )
    parser.add_argument("--seed", type=whole(), default=0, help="of the draw (default: %(default)s)")
    parser.add_argument("--fraction", type=float, help="share to validate on, of holdout (default: 0.2)")
    parser.add_argument("--folds", type=whole(2, 100), help="of kfold (default: 5)")
    parser.add_argument("--training", type=whole(1), help="images a class, of study-sample (default: 100)")
    parser.add_argument("--validation", type=whole(1), help="images a class, of study-sample (default: 50)")
    parser.add_argument("--within", metavar="SPLIT", help="draw from this split only; the others stay as they are")
    parser.add_argument(
        "--no-stratify", action="store_true", default=None, help="do not keep the shares of the classes"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, draw, write, count."""
    import numpy as np

    from unmask.datasets.split_file import make_split

    check_heeded(arguments, f"--method {arguments.method}", HEEDED)
    check_outputs(arguments, {"--out": arguments.out})
    dataset, code = load(arguments)
    names = ("fraction", "folds", "training", "validation")
    given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    split = make_split(
        dataset,
        arguments.method,
        seed=arguments.seed,
        within=arguments.within,
        stratify=not arguments.no_stratify,
        **given,
    )
    split.write(arguments.out)
    for name, count in zip(*np.unique(split.names, return_counts=True), strict=True):
        print(f"{count:9,}  {name}")
    tell(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes")
    return code
