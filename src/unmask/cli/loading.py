"""The options that say which data set to load, shared by every command that reads one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.cli.targets import check_targets
from unmask.cli.text import counted, tell
from unmask.cli.values import whole

if TYPE_CHECKING:
    from unmask.datasets import FaceDataset

SHOWN = 20
"""Rows left out that are listed one by one."""

_TABLES = (".csv", ".parquet", ".txt")
"""Endings of the files in a folder, besides pictures, that layouts read."""


def add_loading_options(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """The data set, ``--data`` or the command's own object, and how to read it."""
    what = "a data set: a file or folder in a known layout"
    if positional:
        parser.add_argument("data", metavar="DATA", help=what)
    else:
        parser.add_argument("--data", required=True, metavar="DATA", help=what)
    group = parser.add_argument_group("reading the data")
    group.add_argument("--ferplus", metavar="FILE", help="FER+'s votes for the rows of FER2013")
    group.add_argument("--layout", metavar="NAME", help="read it in this layout (default: find out)")
    group.add_argument("--taxonomy", metavar="NAME", help="what labels that are numbers mean: fer2013 or ferplus")
    group.add_argument(
        "--size", type=whole(1), metavar="PIXELS", help="side of the crops (default: as stored, else 48)"
    )
    group.add_argument("--split-file", metavar="FILE", help="use the splits of this file")
    group.add_argument("--fold", type=whole(1), metavar="N", help="fold of the split file to validate on, from 1")
    group.add_argument("--skip-bad", action="store_true", help="leave out damaged rows and list them")
    group.add_argument("--no-cache", action="store_true", help="neither use nor fill the cache of parsed files")


def load(arguments: argparse.Namespace) -> tuple[FaceDataset, int]:
    """The data set, and the exit code: 1 if rows had to be left out; they are listed on standard error."""
    from unmask.datasets import load_dataset
    from unmask.writing import printable

    dataset = load_dataset(
        arguments.data,
        ferplus_path=arguments.ferplus,
        layout=arguments.layout,
        split_file=arguments.split_file,
        fold=arguments.fold,
        size=arguments.size,
        taxonomy=arguments.taxonomy,
        skip_bad=arguments.skip_bad,
        cache=not arguments.no_cache,
    )
    if not dataset.left_out:
        return dataset, 0
    tell(f"{counted(len(dataset.left_out), 'row')} left out of {arguments.data}:")
    for entry in dataset.left_out[:SHOWN]:
        print(f"  {printable(entry.where)}: {printable(entry.reason)}", file=sys.stderr)
    if len(dataset.left_out) > SHOWN:
        print(f"  and {len(dataset.left_out) - SHOWN:,} more", file=sys.stderr)
    return dataset, 1


def check_outputs(
    arguments: argparse.Namespace, outputs: Mapping[str, Path | None], *others: str | Path | None
) -> None:
    """Refuse to write over the data set or another file that is read; see :func:`unmask.cli.targets.check_targets`."""

    def read() -> Iterator[str | Path]:
        named = (arguments.data, arguments.ferplus, arguments.split_file, *others)
        yield from (path for path in named if path is not None)
        if Path(arguments.data).is_dir():
            yield from (path for path in Path(arguments.data).rglob("*") if path.suffix.lower() in _TABLES)

    check_targets(outputs, read())


def check_outside(arguments: argparse.Namespace, outputs: Mapping[str, Path | None]) -> None:
    """Refuse to write pictures, pages or rows into the data set's own folder, where they would be read as its own.

    Raises
    ------
    ConfigError
        An output lies there.
    """
    from unmask.errors import ConfigError

    folder = Path(arguments.data).resolve()
    for option, path in outputs.items():
        if path is not None and folder.is_dir() and path.resolve().is_relative_to(folder):
            raise ConfigError(
                f"{option} {path} lies in the data set's own folder; name a place outside {arguments.data}"
            )
