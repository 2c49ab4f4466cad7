"""``unmask data``: describe, audit, clean, split, export and fetch data sets."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    from unmask.cli.data import audit, clean, describe, export, fetch, split

    parser: argparse.ArgumentParser = verbs.add_parser(
        "data",
        help="describe, audit, clean, split and convert data sets",
        description="Look into a data set, find what is wrong with it, split it, and write it in another form. "
        "The original is never changed.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for module in (describe, audit, clean, split, export, fetch):
        module.add_parser(actions)
