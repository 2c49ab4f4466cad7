"""CSV: one row a face, and one row for a frame without a face."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from unmask.expressions import Expression
from unmask.outputs.base import Writer
from unmask.outputs.columns import Cell, columns, rows
from unmask.outputs.sink import TextSink
from unmask.readings import Reading

_FORMULA = re.compile(r"[=+\-@\t\r'].", re.DOTALL)


class CsvWriter(Writer):
    """Comma-separated, with a header, quoted where need be, flushed frame by frame.

    A picture may be named so that a spreadsheet would run it as a formula (``=HYPERLINK(...).jpg``). Text that begins
    like a formula is written with an apostrophe before it, and so is text that begins with an apostrophe: to get the
    name back, remove one leading apostrophe.
    """

    def __init__(self, target: TextIO | Path, *, labels: Sequence[Expression], append: bool = False) -> None:
        self._labels = tuple(labels)
        header = _line([column.name for column in columns(labels)])
        self._sink = TextSink(target, begin=header, empty=header)

    def write(self, reading: Reading) -> None:
        self._sink.write("".join(_line(row) for row in rows(reading, self._labels)))

    def close(self) -> None:
        self._sink.close()


def _line(cells: Sequence[Cell]) -> str:
    # The module's own line end makes it quote carriage returns too, which before Python 3.13 it does for no other.
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(map(_guarded, cells))
    return text.getvalue().removesuffix("\r\n") + "\n"


def _guarded(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
