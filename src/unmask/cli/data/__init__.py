"""``unmask data``: describe, audit, clean, split, export and fetch data sets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from unmask.errors import ConfigError


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


def check_heeded(arguments: argparse.Namespace, way: str, heeded: Mapping[str, Sequence[str]]) -> None:
    """Refuse an option that the chosen way of working does not heed; left out, it is None.

    Parameters
    ----------
    way
        The option, with its value if it has several, that chooses.
    heeded
        For each option by its name in ``arguments``, the ways that heed it.

    Raises
    ------
    ConfigError
        One is given with another way.
    """
    for option, ways in heeded.items():
        if getattr(arguments, option) is not None and way not in ways:
            raise ConfigError(f"--{option.replace('_', '-')} is for {' and '.join(ways)}, not for {way}; leave it out")
