"""Writing unmask's own Parquet, one file or shards, part after part; :mod:`unmask.datasets.own_parquet` reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.datasets.ferplus import COLUMNS as VOTE_COLUMNS
from unmask.datasets.own_folder import png
from unmask.errors import DataError, MissingExtraError
from unmask.expressions import Taxonomy
from unmask.writing import disk_errors, encodable, replacing, whole_folder

FORMAT = 1
KEY = b"unmask"
"""Where in a file's metadata unmask's own stand."""

SHARD_ROWS = 16384
ROW_GROUP = 1024
"""Rows that are in memory together while streaming."""


def write(parts: FaceDataset | Iterable[FaceDataset], path: Path, *, shard_rows: int = SHARD_ROWS) -> list[Path]:
    """Write one file if ``path`` ends in ``.parquet``, else a folder of shards, one part after the other.

    Parameters
    ----------
    parts
        A data set, or its parts in order; all with the same taxonomy and the same columns.

    Returns
    -------
    The files.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    DataError
        There is nothing to write, or the parts differ in kind.
    InputError
        The folder holds something already, or cannot be written.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    if path.suffix.lower() == ".parquet":
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return _write(parts, path, pq, shard_rows=None)
    with whole_folder(path) as part:
        return [path / shard.name for shard in _write(parts, part, pq, shard_rows=shard_rows)]


def _write(parts: FaceDataset | Iterable[FaceDataset], path: Path, pq: Any, *, shard_rows: int | None) -> list[Path]:
    """Write one file, or a folder of shards of so many rows."""
    written: list[Path] = []
    kind: _Kind | None = None
    rows_in_shard = 0
    with ExitStack() as stack:
        writer: Any = None
        for part in [parts] if isinstance(parts, FaceDataset) else parts:
            kind = kind or _Kind.of(part)
            if _Kind.of(part) != kind:
                raise DataError(f"parts of one data set must agree, got {kind} and {_Kind.of(part)}")
            for start in range(0, len(part), ROW_GROUP):
                group = part.select(np.arange(start, min(start + ROW_GROUP, len(part))))
                if writer is None or (shard_rows is not None and rows_in_shard >= shard_rows):
                    stack.close()
                    shard = path if shard_rows is None else path / f"part-{len(written):05}.parquet"
                    writer = stack.enter_context(_whole_file(shard, kind, part.checksum, pq))
                    written.append(shard)
                    rows_in_shard = 0
                with disk_errors(path):
                    writer.write_table(_table(group, kind), row_group_size=ROW_GROUP)
                rows_in_shard += len(group)
    if kind is None or not written:
        raise DataError("there are no rows to write")
    return written


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all parts of a data set have in common."""

    name: str
    taxonomy: Taxonomy
    votes: bool
    subjects: bool
    names: bool

    @staticmethod
    def of(dataset: FaceDataset) -> _Kind:
        columns = (dataset.votes is not None, dataset.subjects is not None, dataset.names is not None)
        return _Kind(dataset.name, dataset.taxonomy, *columns)


@contextmanager
def _whole_file(path: Path, kind: _Kind, made_from: str, pq: Any) -> Iterator[Any]:
    """A Parquet writer whose file takes its name when it is complete."""
    with (
        disk_errors(path),
        replacing(path) as part,
        open(part, "wb") as file,
        pq.ParquetWriter(file, _schema(kind, made_from), compression="zstd") as writer,
    ):
        yield writer


def _schema(kind: _Kind, made_from: str) -> Any:
    import pyarrow as pa

    fields = [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]), nullable=False),
        pa.field("label", pa.string()),
        pa.field("split", pa.string(), nullable=False),
    ]
    if kind.subjects:
        fields.append(pa.field("subject", pa.string()))
    if kind.votes:
        fields.append(pa.field("votes", pa.list_(pa.uint8(), len(VOTE_COLUMNS))))
    about = {"format": FORMAT, "name": kind.name, "taxonomy": kind.taxonomy.name, "made_from": made_from}
    return pa.schema(fields, metadata={KEY: json.dumps(about).encode()})


def _table(dataset: FaceDataset, kind: _Kind) -> Any:
    import pyarrow as pa

    paths = [None] * len(dataset) if dataset.names is None else [encodable(name) for name in dataset.names.tolist()]
    columns: dict[str, list[Any]] = {
        "image": [{"bytes": png(image), "path": path} for image, path in zip(dataset.images, paths, strict=True)],
        "label": [None if code == UNLABELLED else str(kind.taxonomy.labels[code]) for code in dataset.labels.tolist()],
        "split": dataset.splits.tolist(),
    }
    if dataset.subjects is not None:
        columns["subject"] = dataset.subjects.tolist()
    if dataset.votes is not None:
        columns["votes"] = dataset.votes.tolist()
    return pa.table(columns, schema=_schema(kind, dataset.checksum))
