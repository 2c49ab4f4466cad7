"""The end of the line for text: a file of its own or a stream that somebody lent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TextIO

from unmask.errors import InputError
from unmask.writing import disk_errors, encodable


class TextSink:
    """Text to a path (its folder made, opened as UTF-8, closed at the end) or to a lent stream (never closed).

    Characters that the encoding lacks, such as the undecodable bytes of a file name, are written as JSON escapes. What
    a file held before is replaced by the first text, not when it is opened: a run that reads nothing costs nothing.

    Parameters
    ----------
    append
        Leave what the file holds, and go on behind it.
    begin
        Stands before the first text.
    empty
        What is written in the end if no text came, and the file is new or empty.

    Raises
    ------
    InputError
        The path cannot be opened, or writing fails.
    """

    def __init__(self, target: TextIO | Path, *, append: bool = False, begin: str = "", empty: str = "") -> None:
        self._owned = isinstance(target, Path)
        self._where = str(target) if isinstance(target, Path) else getattr(target, "name", "stream")
        self._begin, self._empty = begin, empty
        self._stream: TextIO | None = None
        self._replaces = False
        if isinstance(target, Path):
            with disk_errors(self._where):
                target.parent.mkdir(parents=True, exist_ok=True)
                self._stream = target.open("a", encoding="utf-8", newline="")
                self._replaces = not append and target.is_file() and target.stat().st_size > 0
        else:
            self._stream = target

    @property
    def stream(self) -> TextIO:
        """The open stream. Raises ValueError after ``close``."""
        if self._stream is None:
            raise ValueError(f"{self._where}: this writer is closed")
        return self._stream

    @property
    def closed(self) -> bool:
        return self._stream is None

    def write(self, text: str) -> None:
        """Write and flush, so that an interrupted run keeps it."""
        stream = self.stream
        text, self._begin, self._empty = self._begin + text, "", ""
        try:
            with disk_errors(self._where):
                if self._replaces:
                    stream.truncate(0)
                    self._replaces = False
                stream.write(encodable(text, stream.encoding or "utf-8"))
                stream.flush()
        except InputError:
            # The text still stands in the stream's buffer: to close it later would only fail a second time.
            with suppress(InputError):
                self.close()
            raise

    def close(self) -> None:
        """Close a file of one's own; a second call does nothing."""
        if self._stream is not None and self._empty and not self._replaces:
            self._begin = ""
            self.write(self._empty)
        stream, self._stream = self._stream, None
        if stream is not None and self._owned:
            with disk_errors(self._where):
                stream.close()
