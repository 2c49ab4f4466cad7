"""The end of the line for text: a file of its own or a stream that somebody lent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TextIO

from unmask.errors import InputError
from unmask.writing import disk_errors, encodable


class TextSink:
    """Text to a path (its folder made, opened as UTF-8, closed at the end) or to a lent stream (never closed).

    Characters that the encoding lacks, such as the undecodable bytes of a file name, are written as JSON escapes.

    Raises
    ------
    InputError
        The path cannot be opened, or writing fails.
    """

    def __init__(self, target: TextIO | Path, *, append: bool = False) -> None:
        self._owned = isinstance(target, Path)
        self._where = str(target) if isinstance(target, Path) else getattr(target, "name", "stream")
        self._stream: TextIO | None = None
        if isinstance(target, Path):
            with disk_errors(self._where):
                target.parent.mkdir(parents=True, exist_ok=True)
                self._stream = target.open("a" if append else "w", encoding="utf-8", newline="")
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
        try:
            with disk_errors(self._where):
                stream.write(encodable(text, stream.encoding or "utf-8"))
                stream.flush()
        except InputError:
            # The text still stands in the stream's buffer: to close it later would only fail a second time.
            with suppress(InputError):
                self.close()
            raise

    def close(self) -> None:
        """Close a file of one's own; a second call does nothing."""
        stream, self._stream = self._stream, None
        if stream is not None and self._owned:
            with disk_errors(self._where):
                stream.close()
