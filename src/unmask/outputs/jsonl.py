"""JSON lines: one reading a line, flushed line by line, and how a run goes on from such a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from unmask.errors import DataError, InputError
from unmask.expressions import Expression
from unmask.outputs.base import Writer
from unmask.outputs.sink import TextSink
from unmask.readings import Reading
from unmask.writing import disk_errors

_LINE_START = b'{"source": '
"""What a line cut short must begin with: nothing else is ever cut off a file."""


class JsonLinesWriter(Writer):
    """One line a frame; with ``append``, after the lines of :func:`done_sources`."""

    def __init__(self, target: TextIO | Path, *, labels: Sequence[Expression] = (), append: bool = False) -> None:
        if append and isinstance(target, Path):
            _, end = _completed(target)
            if target.exists():
                with disk_errors(target), target.open("r+b") as file:
                    file.truncate(end)
        self._sink = TextSink(target, append=append)

    def write(self, reading: Reading) -> None:
        self._sink.write(reading.to_line() + "\n")

    def close(self) -> None:
        self._sink.close()


def done_sources(path: Path) -> set[str]:
    """Sources that an earlier, perhaps interrupted run has read to their end; none where there is no file.

    A torn last line does not count, nor does a film at the end of the file, which may have been cut short: both are
    taken off when a :class:`JsonLinesWriter` appends to the file, and are read anew.

    Raises
    ------
    DataError
        A line is not a reading; the message names it.
    InputError
        The file cannot be read.
    """
    return _completed(path)[0]


def _completed(path: Path) -> tuple[set[str], int]:
    """The sources read to their end, and the length in bytes of their lines."""
    sources: set[str] = set()
    film: str | None = None  # the film, if any, that the lines after `end` belong to
    end = position = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and (line.startswith(_LINE_START) or _LINE_START.startswith(line)):
                    break
                reading = _parse(line, f"{path}, line {number}")
                if film is not None and reading.source != film:
                    sources.add(film)
                    end = position
                position += len(line)
                film = None if reading.time_s is None else reading.source
                if film is None:
                    sources.add(reading.source)
                    end = position
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from error
    return sources, end


def _parse(line: bytes, where: str) -> Reading:
    try:
        return Reading.from_line(line.decode("utf-8"))
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: not a reading of unmask ({error}); name another output file") from None
