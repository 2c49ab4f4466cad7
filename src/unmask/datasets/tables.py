"""A CSV or Parquet table that lists picture files and their labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask.datasets.base import FaceDataset, LeftOut
from unmask.datasets.ferplus import COLUMNS as VOTE_COLUMNS
from unmask.datasets.layouts import LoadOptions
from unmask.datasets.pictures import PictureRow, from_pictures, split_named
from unmask.errors import DataError, InputError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "path", "filename", "file_name", "filepath", "image", "image_path", "img_path", "pth"),
    "label": ("label", "expression", "emotion", "class"),
    "split": ("split", "usage", "subset", "set"),
    "subject": ("subject", "subject_id", "person", "identity"),
}
"""Names under which a column is recognised, in lower case; the first stands for it in messages."""


def sniff(path: Path) -> bool:
    """Whether a table has a column of files."""
    try:
        return path.is_file() and "file" in _recognised(_names(path))
    except (DataError, InputError):
        return False


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read a table of files, relative to the table's own folder, with ``label``, ``split`` and ``subject`` where given.

    Labels are words, or numbers with ``options.taxonomy`` to say what they mean. Without a split column all rows are
    ``Training``. FER+'s ten vote columns are read if all are there.

    Raises
    ------
    InputError
        The table or a picture cannot be read.
    DataError
        The table has no column of files, or a row is damaged; the message names it.
    """
    found = _recognised(_names(path))
    if "file" not in found:
        raise DataError(f"{path}: column missing: expected one of {', '.join(COLUMNS['file'])}")
    return from_pictures(
        path.stem, path.parent, (_row(path, where, cells, found) for where, cells in _rows(path)), options
    )


def _row(path: Path, where: str, cells: Mapping[str, Any], found: Mapping[str, str]) -> PictureRow | LeftOut:
    def cell(what: str) -> str:
        value = cells.get(found.get(what, ""))
        return "" if value is None else str(value).strip()

    place = f"{path.name}, {where}"
    if not cell("file"):
        return LeftOut(place, f"no file in '{found['file']}'")
    votes = None
    if all(name in cells for name in VOTE_COLUMNS):
        try:
            votes = parse_votes([cells[name] for name in VOTE_COLUMNS])
        except DataError as error:
            return LeftOut(place, str(error))
    return PictureRow(
        path=path.parent / cell("file"),
        label=cell("label"),
        split=split_named(cell("split")) or "Training",
        subject=cell("subject"),
        votes=votes,
        where=place,
    )


def parse_votes(cells: list[Any]) -> tuple[int, ...]:
    """Ten vote counts. Raises DataError for anything else; the caller adds the place."""
    try:
        votes = tuple(int(cell) for cell in cells)
    except (TypeError, ValueError):
        votes = ()
    if len(votes) != len(VOTE_COLUMNS) or not all(0 <= vote <= 255 for vote in votes):
        raise DataError(f"expected {len(VOTE_COLUMNS)} vote counts 0 to 255, got {cells!r}"[:300])
    return votes


def _recognised(names: list[str]) -> dict[str, str]:
    """The table's own name of each column that has a meaning."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    found = {}
    for what, known in COLUMNS.items():
        if name := next((name for name in known if name in lower), None):
            found[what] = lower[name]
    return found


def _names(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        return list(open_parquet(path).schema_arrow.names)
    with _text(path) as file:
        try:
            return next(csv.reader(file), [])
        except (csv.Error, UnicodeDecodeError):
            raise DataError(f"{path}: is no CSV table in UTF-8") from None


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and cells of each row."""
    if path.suffix.lower() == ".parquet":
        number = 0
        for rows in parquet_rows(path, open_parquet(path)):
            for cells in rows:
                yield f"row {number}", cells
                number += 1
        return
    with _text(path) as file:
        reader = csv.DictReader(file)
        try:
            for cells in reader:
                yield f"line {reader.line_num}", cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}: line {reader.line_num + 1}: {error}; save the table as a CSV in UTF-8") from None


def open_parquet(path: Path) -> Any:
    """A Parquet file, opened.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    InputError
        The file is missing or damaged.
    """
    from unmask.errors import MissingExtraError

    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    with _parquet_errors(path):
        return pq.ParquetFile(path)


def parquet_rows(path: Path, file: Any, **choice: Any) -> Iterator[list[dict[str, Any]]]:
    """Rows of an opened Parquet file, a batch at a time.

    Parameters
    ----------
    choice
        As for pyarrow's ``ParquetFile.iter_batches``.

    Raises
    ------
    InputError
        The file is damaged, which is found only where its pages are read.
    """
    with _parquet_errors(path):
        for batch in file.iter_batches(**choice):
            yield batch.to_pylist()


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    """Restate what pyarrow raises for a damaged file as InputError naming it."""
    import pyarrow as pa

    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise InputError(f"{path}: no Parquet file that can be read ({error}); write or fetch it again") from None


def _text(path: Path) -> Any:
    try:
        return open(path, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
