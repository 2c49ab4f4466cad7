"""JSON lines: one reading a line, flushed line by line, and how a run goes on from such a file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from unmask.errors import ConfigError, DataError, InputError
from unmask.expressions import Expression
from unmask.outputs.base import Writer
from unmask.outputs.sink import TextSink
from unmask.readings import Reading, Unfinished
from unmask.writing import disk_errors

_LINE_START = b'{"source": '
"""What a line cut short must begin with: nothing else is ever cut off a file."""

RECENT_S, RECENT_FRAMES = 3.0, 4
"""So much of an unfinished film is kept at least to go on from: longer than the tracker remembers who is not seen."""


class JsonLinesWriter(Writer):
    """One line a frame; with ``append``, after the complete lines of the file."""

    def __init__(self, target: TextIO | Path, *, labels: Sequence[Expression] = (), append: bool = False) -> None:
        if append and isinstance(target, Path):
            end = earlier_run(target).end
            if target.exists():
                with disk_errors(target), target.open("r+b") as file:
                    file.truncate(end)
        self._sink = TextSink(target, append=append)

    def write(self, reading: Reading) -> None:
        self._sink.write(reading.to_line() + "\n")

    def close(self) -> None:
        self._sink.close()


@dataclass(frozen=True)
class EarlierRun:
    """What a file of JSON lines tells of the run that wrote it, which may have been interrupted.

    Parameters
    ----------
    done
        Sources that were read to their end, in their order, and whether each moves.
    past
        The film at the end of the file, if there is one: nobody knows whether it was read to its end, so it goes on.
    end
        Length of the complete lines, in bytes. A torn last line does not count, and is taken off when a
        :class:`JsonLinesWriter` appends to the file.
    path
        The file.
    made_by
        Models that read its frames, and of those with a face the labels too, in the order of the scores.
    """

    done: Mapping[str, bool] = field(default_factory=dict)
    past: Mapping[str, Unfinished] = field(default_factory=dict)
    end: int = 0
    path: Path | None = None
    made_by: frozenset[tuple[str, tuple[Expression, ...]]] = frozenset()

    def check(self, *, model: str, labels: Sequence[Expression]) -> None:
        """Raises ConfigError if this model and these labels, which are to go on, are not those of the file."""
        for other, its_labels in sorted(self.made_by):
            if other != model or (its_labels and set(its_labels) != set(labels)):
                raise ConfigError(
                    f"{self.path}: holds readings of {_made_by(other, its_labels)}, and this run would add those of "
                    f"{_made_by(model, labels)}; use the model and head of the first run, or name another output file"
                )

    def readings(self) -> Iterator[Reading]:
        """The readings of the file, one at a time."""
        if self.path is not None and self.end:
            for reading, _ in _lines(self.path):
                yield reading


def earlier_run(path: Path) -> EarlierRun:
    """What an earlier, perhaps interrupted run has written; nothing where there is no file.

    Raises
    ------
    DataError
        A line is not a reading; the message names it.
    InputError
        The file cannot be read.
    """
    done: dict[str, bool] = {}
    recent: deque[Reading] = deque()  # of the film that the last lines belong to
    made_by: set[tuple[str, tuple[Expression, ...]]] = set()
    end = highest_id = 0
    for reading, reached in _lines(path):
        end = reached
        made_by.update((reading.model, tuple(face.scores)) for face in reading.faces)
        if not reading.faces:
            made_by.add((reading.model, ()))
        if recent and reading.source != recent[0].source:
            done[recent[0].source] = True
            recent.clear()
            highest_id = 0
        if reading.time_s is None:
            done[reading.source] = False
            continue
        recent.append(reading)
        highest_id = max([highest_id, *(face.track_id for face in reading.faces if face.track_id is not None)])
        while len(recent) > RECENT_FRAMES and reading.time_s - (recent[0].time_s or 0.0) > RECENT_S:
            recent.popleft()
    past = {recent[0].source: Unfinished(tuple(recent), highest_id)} if recent else {}
    return EarlierRun(done, past, end, path, frozenset(made_by))


def _made_by(model: str, labels: Sequence[Expression]) -> str:
    """A model and its labels in words."""
    return f"{model} ({', '.join(labels)})" if labels else model


def _lines(path: Path) -> Iterator[tuple[Reading, int]]:
    """Readings of the complete lines, and how far into the file each one's line reaches."""
    position = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and (line.startswith(_LINE_START) or _LINE_START.startswith(line)):
                    break
                position += len(line)
                yield _parse(line, f"{path}, line {number}"), position
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from error


def _parse(line: bytes, where: str) -> Reading:
    try:
        return Reading.from_line(line.decode("utf-8"))
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: not a reading of unmask ({error}); name another output file") from None
