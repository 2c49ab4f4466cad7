"""Data sets from Hugging Face and Kaggle, through their own libraries, only when a user asks for one.

Neither library is needed by, or installed with, unmask. Each keeps its own cache, credentials and terms.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unmask.datasets import own_parquet_writing
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.datasets.labels import expression_of, parse_label, to_codes
from unmask.datasets.layouts import DEFAULT_SIZE, LoadOptions
from unmask.datasets.pictures import reduce, split_named
from unmask.errors import ConfigError, DataError, InputError, MissingExtraError, UnmaskError
from unmask.expressions import FER2013, FERPLUS, Expression, Taxonomy
from unmask.images import decode

_Columns = tuple[str, str | None, list[Expression | None] | None]
"""Names of the columns of pictures and labels, and what each number of the label means."""

_PART_ROWS = 1024
_IMAGE_COLUMNS, _LABEL_COLUMNS = ("image", "img", "pixels"), ("label", "labels", "expression", "emotion")


def fetch(
    source: str,
    out: str | Path | None = None,
    *,
    library: Any = None,
    size: int = DEFAULT_SIZE,
    taxonomy: Taxonomy | None = None,
) -> Path:
    """Bring a data set to this machine.

    Parameters
    ----------
    source
        ``hf:OWNER/NAME`` (Hugging Face, written as unmask's own Parquet to ``out``) or ``kaggle:OWNER/NAME`` (left
        where kagglehub keeps it).
    out
        Folder to write to; needed for ``hf:``.
    library
        The module to use instead of ``datasets`` or ``kagglehub``.
    size
        Side in pixels to which pictures of ``hf:`` are brought.
    taxonomy
        What labels of ``hf:`` that are numbers without names mean.

    Returns
    -------
    The folder, for :func:`unmask.datasets.load_dataset`.

    Raises
    ------
    ConfigError
        Another kind of source, no folder for ``hf:``, or a size outside its range.
    InputError
        The library is not installed, or could not bring the data set; the message says what to do.
    DataError
        The data set has no pictures or labels that unmask understands.
    """
    LoadOptions(size=size)  # refuses what is no side of a crop
    place, _, name = source.partition(":")
    if place not in ("hf", "kaggle") or not name:
        raise ConfigError(f"'{source}': expected hf:OWNER/NAME or kaggle:OWNER/NAME")
    if place == "kaggle":
        kagglehub = library or _library("kagglehub")
        return Path(_asked(source, lambda: kagglehub.dataset_download(name)))
    if out is None:
        raise ConfigError(f"{source}: name a folder to write to (--out)")
    library = library or _library("datasets")
    parts = _asked(source, lambda: library.load_dataset(name))
    _asked(source, lambda: own_parquet_writing.write(_converted(source, parts, library, size, taxonomy), Path(out)))
    return Path(out)


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(name, None) from None


def _asked(source: str, ask: Any) -> Any:
    """What a library answers; whatever it raises becomes one kind of error."""
    try:
        return ask()
    except UnmaskError:
        raise
    except Exception as error:  # these libraries raise errors of many kinds, of several packages below them
        raise InputError(
            f"{source}: could not be fetched ({type(error).__name__}: {error}); check the name, the connection, and "
            "whether the data set asks you to accept its terms"
        ) from error


def _converted(source: str, parts: Any, library: Any, size: int, taxonomy: Taxonomy | None) -> Iterator[FaceDataset]:
    """All splits, piece by piece, in the one form."""
    if not hasattr(parts, "items"):
        raise DataError(f"{source}: expected splits by name, got {type(parts).__name__}")
    names = {split: _columns(source, part) for split, part in parts.items()}
    taxonomy_of_all = taxonomy or _taxonomy(source, parts, names)
    for split, part in parts.items():
        image, label, labels = names[split]
        undecoded = part.cast_column(image, library.Image(decode=False))
        rows: list[tuple[np.ndarray, Expression | None]] = []
        for number, row in enumerate(undecoded):
            where = f"{source}, {split}, row {number}"
            rows.append(
                (_pixels(row[image], where, size), _label(row[label] if label else None, labels, where, taxonomy))
            )
            if len(rows) == _PART_ROWS:
                yield _dataset(source, split, rows, taxonomy_of_all)
                rows = []
        if rows:
            yield _dataset(source, split, rows, taxonomy_of_all)


def _columns(source: str, part: Any) -> _Columns:
    """Names of the columns of pictures and labels, and what each number of the label means."""
    features = part.features
    image = next((name for name in _IMAGE_COLUMNS if name in features), None)
    if image is None:
        raise DataError(f"{source}: no column of pictures; expected one of {', '.join(_IMAGE_COLUMNS)}")
    label = next((name for name in _LABEL_COLUMNS if name in features), None)
    words = getattr(features[label], "names", None) if label else None
    return image, label, None if words is None else [expression_of(word) for word in words]


def _taxonomy(source: str, parts: Any, names: Mapping[str, _Columns]) -> Taxonomy:
    """FER+'s where contempt is among the labels, which a column of words only tells row by row."""
    for split, (_, label, labels) in names.items():
        found = labels
        if labels is None and label:
            words = {word for word in parts[split][label] if isinstance(word, str)}
            found = [_label(word, None, f"{source}, {split}") for word in words]
        if Expression.CONTEMPT in (found or ()):
            return FERPLUS
    return FER2013


def _pixels(cell: Any, where: str, size: int) -> np.ndarray:
    data = cell.get("bytes") if isinstance(cell, dict) else None
    if data is None and isinstance(cell, dict) and cell.get("path"):
        data = Path(cell["path"]).read_bytes()
    if data is None:
        raise DataError(f"{where}: no picture")
    return reduce(decode(data, name=where), size)


def _label(
    cell: Any, labels: list[Expression | None] | None, where: str, taxonomy: Taxonomy | None = None
) -> Expression | None:
    if cell is None or cell == UNLABELLED:
        return None
    if labels is not None and isinstance(cell, int):
        if not 0 <= cell < len(labels):
            raise DataError(f"{where}: label {cell}, expected 0 to {len(labels) - 1}")
        return labels[cell]
    try:
        return parse_label(str(cell), taxonomy)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _dataset(
    source: str, split: str, rows: list[tuple[np.ndarray, Expression | None]], taxonomy: Taxonomy
) -> FaceDataset:
    codes, taxonomy = to_codes((label for _, label in rows), taxonomy)
    return FaceDataset(
        name=source,
        images=np.stack([pixels for pixels, _ in rows]),
        labels=codes,
        taxonomy=taxonomy,
        splits=np.full(len(rows), split_named(split)),
        checksum=source,
    )
