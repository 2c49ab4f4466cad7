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
from unmask.writing import disk_errors, encodable, refuse_folder

ROW_GROUP = 8192
"""Rows held in memory before they go to disk together."""


class ParquetWriter(Writer):
    """Row groups into ``NAME.part``, which takes the file's own name when it is complete, at ``close``.

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
        self._part = target.with_name(target.name + ".part")
        self._labels = tuple(labels)
        self._rows: list[tuple[Cell, ...]] = []
        self._written = False
        types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        self._schema = pa.schema(
            [pa.field(column.name, types[column.type], nullable=not column.always) for column in columns(labels)]
        )
        refuse_folder(target)
        with disk_errors(self._path):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = pq.ParquetWriter(self._part, self._schema, compression="zstd")

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
        with disk_errors(self._path):
            self._flush(file)
            file.close()
            if self._written or not self._path.exists():
                self._part.replace(self._path)
            else:  # nothing was read, which is no reason to lose what an earlier run has written
                self._part.unlink()

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
