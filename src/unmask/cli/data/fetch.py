"""``unmask data fetch``: a data set from Hugging Face or Kaggle, through their own libraries."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unmask.cli.data import check_heeded
from unmask.cli.text import tell
from unmask.cli.values import whole

_SIZE = 48  # that of the data sets' own default, which takes long to load


def add_parser(actions: Any) -> None:
    """Register the action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "fetch",
        help="bring a data set from Hugging Face or Kaggle",
        description="Bring a data set to this machine, through the library datasets or kagglehub, which you install "
        "yourself. This goes to the network. Read the terms of the data set first.",
    )
    parser.add_argument("source", metavar="SOURCE", help="hf:OWNER/NAME or kaggle:OWNER/NAME")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write to, for hf:")
    parser.add_argument(
        "--size", type=whole(1), metavar="PIXELS", help=f"side of the crops, for hf: (default: {_SIZE})"
    )
    parser.add_argument(
        "--taxonomy", metavar="NAME", help="what labels of hf: mean that are numbers without names: fer2013 or ferplus"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fetch, and say where it lies."""
    from unmask.datasets.fetch import fetch
    from unmask.expressions import taxonomy_named

    if (place := arguments.source.partition(":")[0] + ":") == "kaggle:":
        check_heeded(arguments, place, dict.fromkeys(("out", "size", "taxonomy"), ("hf:",)))
    taxonomy = taxonomy_named(arguments.taxonomy) if arguments.taxonomy else None
    folder = fetch(arguments.source, arguments.out, size=arguments.size or _SIZE, taxonomy=taxonomy)
    print(folder)
    tell(f"look into it with: unmask data describe {folder}")
    return 0
