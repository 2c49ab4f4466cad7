"""What a writer of readings is, and the formats by name."""

from __future__ import annotations

import importlib
import sys
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from unmask.errors import ConfigError, suggest
from unmask.expressions import Expression
from unmask.readings import Reading
from unmask.writing import Closing


class Writer(Closing):
    """Takes readings one by one and writes them in one format.

    A context manager that closes itself, also after an interruption: what was written until then stays readable.
    ``write`` raises InputError when the disk is full or the file cannot be written, and ValueError after ``close``; a
    format with a column for each label also raises DataError for a face with scores for other labels.
    """

    @abstractmethod
    def write(self, reading: Reading) -> None:
        """Write one frame."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output; a second call does nothing. Raises InputError as ``write`` does."""


class WriterFactory(Protocol):
    """What a format is registered with: most often the class of its writer."""

    def __call__(self, target: TextIO | Path, *, labels: Sequence[Expression], append: bool) -> Writer:
        """Open the target at once, so that a wrong path is known before the first picture is read."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A registered format.

    Parameters
    ----------
    opener
        Makes its writers: a factory, or where to find one (``package.module:name``), imported when first needed.
    suffixes
        Endings of its files, small letters with the dot.
    needs_file
        It cannot go to a stream: its writers are given a path, never a stream.
    can_append
        It can go on where an earlier run stopped: its writers may be given ``append=True``.
    """

    opener: WriterFactory | str
    suffixes: tuple[str, ...] = ()
    needs_file: bool = False
    can_append: bool = False

    @property
    def factory(self) -> WriterFactory:
        """What makes the writers, imported."""
        if not isinstance(self.opener, str):
            return self.opener
        module, name = self.opener.split(":")
        factory: WriterFactory = getattr(importlib.import_module(module), name)
        return factory


_FORMATS: dict[str, Format] = {}


def register_format(name: str, registered: Format) -> None:
    """Make a format known under a name. Raises ValueError when the name or one of the suffixes is taken."""
    if name in _FORMATS:
        raise ValueError(f"a format named '{name}' is registered already")
    for suffix in registered.suffixes:
        if suffix in _suffixes():
            raise ValueError(f"format '{name}': the suffix '{suffix}' belongs to '{_suffixes()[suffix]}' already")
    _FORMATS[name] = registered


def format_names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_FORMATS)


def format_of(path: Path) -> str:
    """Name of the format that a file's suffix stands for. Raises ConfigError with the known suffixes otherwise."""
    suffix = path.suffix.lower()
    try:
        return _suffixes()[suffix]
    except KeyError:
        if path.is_dir():
            endings = ", ".join(sorted(_suffixes()))
            raise ConfigError(f"{path}: is a folder; name a file in it, which ends in one of {endings}") from None
        if str(path) == "-":
            raise ConfigError("-: results go to standard output where no file is named; leave it out") from None
        raise ConfigError(
            f"{path}: no format has the suffix '{suffix}'; name it with --format; {suggest(suffix, _suffixes())}"
        ) from None


def open_writer(
    name: str, target: TextIO | Path | None, *, labels: Sequence[Expression], append: bool = False
) -> Writer:
    """A writer of the format ``name``.

    Parameters
    ----------
    name
        One of :func:`format_names`.
    target
        A file, which is replaced; a stream, which stays open; or None for standard output.
    labels
        The model's labels, in the order of its scores.
    append
        Go on at the end of an existing file instead of replacing it.

    Raises
    ------
    ConfigError
        The format is unknown, cannot go to a stream, or cannot be appended to.
    InputError
        The file cannot be opened for writing.
    DataError
        The file to append to is not of this format.
    MissingExtraError
        The format needs a library that is not installed.
    """
    if name not in _FORMATS:
        raise ConfigError(f"unknown format '{name}'; {suggest(name, _FORMATS)}")
    chosen = _FORMATS[name]
    if chosen.needs_file and not isinstance(target, Path):
        raise ConfigError(f"format '{name}' cannot be written to a terminal or pipe; give --out FILE")
    if append and not (chosen.can_append and isinstance(target, Path)):
        able = [known for known, registered in _FORMATS.items() if registered.can_append]
        raise ConfigError(f"only a file of the format {' or '.join(able)} can be appended to, not '{name}'")
    return chosen.factory(sys.stdout if target is None else target, labels=labels, append=append)


def _suffixes() -> dict[str, str]:
    return {suffix: name for name, registered in _FORMATS.items() for suffix in registered.suffixes}
