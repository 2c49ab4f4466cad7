"""``unmask data export``: a data set in another form."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unmask.cli.loading import add_loading_options, check_outside, load
from unmask.cli.text import tell


def add_parser(actions: Any) -> None:
    """Register the action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "export",
        help="write a data set as folders, CSV or Parquet",
        description="Write a data set in another form. unmask reads all of them back; the original is never changed.",
    )
    add_loading_options(parser, positional=True)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="a file or folder that is not there yet"
    )
    parser.add_argument(
        "--to",
        choices=("folders", "csv", "parquet"),
        help="default: by the ending of --out, else folders; parquet without an ending writes shards",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load and write."""
    from unmask.datasets.export import check_place, write_dataset

    check_place(arguments.out, to=arguments.to)
    check_outside(arguments, {"--out": arguments.out})
    dataset, code = load(arguments)
    write_dataset(dataset, arguments.out, to=arguments.to)
    tell(f"{arguments.out}: {len(dataset):,} rows")
    return code
