"""JSON: all readings as one array, written as they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from unmask.expressions import Expression
from unmask.outputs.base import Writer
from unmask.outputs.sink import TextSink
from unmask.readings import Reading


class JsonWriter(Writer):
    """An array with one reading a line; ``close`` ends it, also when it is empty."""

    def __init__(self, target: TextIO | Path, *, labels: Sequence[Expression] = (), append: bool = False) -> None:
        self._sink = TextSink(target, begin="[\n", empty="[]\n")
        self._before = ""

    def write(self, reading: Reading) -> None:
        self._sink.write(self._before + reading.to_line())
        self._before = ",\n"

    def close(self) -> None:
        if self._before and not self._sink.closed:
            self._sink.write("\n]\n")
        self._sink.close()
