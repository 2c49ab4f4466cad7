"""Files that a command writes: none may be one that it reads, and no two options may name the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

from unmask.errors import ConfigError
from unmask.writing import disk_errors

_SHOWN_STDIN = Path("/dev/stdin")  # where the system shows it


def check_targets(outputs: Mapping[str, Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before anything is opened, to write over what is read or to write two things into one file.

    Links are followed. Devices, pipes and folders pass: nothing in them is lost.

    Parameters
    ----------
    outputs
        Files that are written, by the option that names each; None for an option that is not given.
    inputs
        Files, folders and globs that are read; of a folder the pictures in it, as :func:`unmask.media.expand` finds
        them. Gone through only if one of the outputs is there already.

    Raises
    ------
    ConfigError
        An output is one of the inputs, or another output.
    InputError
        An output cannot be looked for.
    """
    named = {option: path for option, path in outputs.items() if path is not None and _is_replaced(path)}
    for (option, path), (other, its_path) in combinations(named.items(), 2):
        if _same(path, its_path):
            raise ConfigError(f"{option} and {other} both name {path}; name another file for one of them")
    there = {option: path for option, path in named.items() if path.exists()}
    for source in _files(inputs) if there else ():
        for option, path in there.items():
            if _same(path, source):
                raise ConfigError(f"{option} {path} would replace {source}, which is read; name another file")


def _is_replaced(path: Path) -> bool:
    """Whether writing makes a file, or replaces one."""
    with disk_errors(path):
        return path.is_file() or not path.exists()


def _files(inputs: Iterable[str | Path]) -> Iterator[Path]:
    from unmask.media import expand_named  # takes long to load, and most outputs are new
    from unmask.media.stdin import STDIN

    inputs = list(inputs)
    if STDIN in inputs and _SHOWN_STDIN.exists():  # a file that the shell has opened
        yield _SHOWN_STDIN
    yield from (one.content for one in expand_named(inputs) if isinstance(one.content, Path))


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there yet
        return os.path.realpath(path) == os.path.realpath(other)
