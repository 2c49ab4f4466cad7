"""Parquet: the rows of the CSV form, typed and compressed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from unmask.errors import MissingExtraError
from unmask.expressions import Expression
from unmask.outputs.base import Writer
from unmask.outputs.columns import Cell, columns, rows
from unmask.readings import Reading
from unmask.writing import Replacement, disk_errors, encodable

ROW_GROUP = 8192
"""Rows held in memory before they go to disk together."""


class ParquetWriter(Writer):
    """Row groups into a new file, which takes the place of the target when it is complete, at ``close``.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    InputError
        The file cannot be opened for writing.
    """

    def __init__(self, target: TextIO | Path, *, labels: Sequence[Expression], append: bool = False) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError("pyarrow", "parquet") from None
        assert isinstance(target, Path)
        self._path = target
        self._labels = tuple(labels)
        self._rows: list[tuple[Cell, ...]] = []
        self._written = False
        types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        self._schema = pa.schema(
            [pa.field(column.name, types[column.type], nullable=not column.always) for column in columns(labels)]
        )
        with disk_errors(self._path):
            self._new = Replacement(target)
            self._stream = self._new.part.open("wb")  # not the path, because a pipe cannot be sought in
            self._file = pq.ParquetWriter(self._stream, self._schema, compression="zstd")

    def write(self, reading: Reading) -> None:
        if self._file is None:
            raise ValueError(f"{self._path}: this writer is closed")
        self._rows.extend(rows(reading, self._labels))
        self._written = True
        if len(self._rows) >= ROW_GROUP:
            self._flush(self._file)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            with disk_errors(self._path):
                with self._stream:
                    self._flush(file)
                    file.close()
                # Where nothing was read, that is no reason to lose what an earlier run has written.
                if self._written or not self._path.exists():
                    self._new.complete()
        finally:
            self._new.discard()

    def _flush(self, file: Any) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        arrays = [
            pa.array([encodable(cell) if isinstance(cell, str) else cell for cell in cells], column.type)
            for cells, column in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        with disk_errors(self._path):
            file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()
