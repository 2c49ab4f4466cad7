"""unmask's own Parquet: shards of PNG bytes with labels, votes, splits and subjects, also larger than memory.

Columns: ``image`` (``bytes``: a PNG, ``path``: the file that it came from; so Hugging Face keeps pictures too),
``label`` (a word, null where there is none), ``split``, and where known ``subject`` and ``votes`` (ten counts as FER+
has them). Each file's metadata names the taxonomy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import NEXT_STEP, UNLABELLED, FaceDataset, LeftOut
from unmask.datasets.layouts import LoadOptions
from unmask.datasets.own_parquet_writing import FORMAT, KEY, ROW_GROUP
from unmask.datasets.pictures import reduce
from unmask.datasets.tables import open_parquet, parquet_rows, parse_votes
from unmask.errors import DataError, InputError, UnmaskError
from unmask.expressions import Taxonomy, taxonomy_named
from unmask.images import decode, to_grey
from unmask.parsing import parse_json


def sniff(path: Path) -> bool:
    """Whether a file, or the first Parquet file of a folder, carries unmask's metadata.

    Raises
    ------
    MissingExtraError
        There is a Parquet file, and pyarrow is not installed.
    """
    try:
        return any(KEY in (open_parquet(shard).schema_arrow.metadata or {}) for shard in _shards(path)[:1])
    except InputError:
        return False


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read all shards into memory, in the order of their names.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    InputError
        A file is missing or damaged.
    DataError
        Another format, or a damaged row; the message names the file and the row.
    """
    digest = hashlib.sha256()
    for shard in _shards(path):
        with open(shard, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    parts = list(_parts(path, options, batch_rows=ROW_GROUP))
    return replace(joined(parts), checksum=digest.hexdigest())


def stream(
    path: str | Path,
    *,
    batch_rows: int = 256,
    split: str | None = None,
    seed: int | None = None,
    size: int | None = None,
    skip_bad: bool = False,
) -> Iterator[FaceDataset]:
    """Batches of a data set that need not fit into memory; at most two groups of ``ROW_GROUP`` rows are held.

    Parameters
    ----------
    path
        A shard or a folder of shards.
    batch_rows
        Rows of a batch; the last of a group of rows may have fewer.
    split
        Only rows of this split.
    seed
        Groups in a random order and the rows of each shuffled; None keeps the order. Give another seed each epoch.
    size
        Side to which crops are brought; None keeps what is stored.
    skip_bad
        Pass over damaged rows; the first batch of each group lists its own in ``left_out``.

    Yields
    ------
    Data sets whose checksum is that of the data which the shards were made from.

    Raises
    ------
    MissingExtraError, InputError, DataError
        As :func:`unmask.datasets.load_dataset`.
    """
    rng = None if seed is None else np.random.default_rng(seed)
    for part in _parts(Path(path), LoadOptions(size, skip_bad), batch_rows=ROW_GROUP, rng=rng):
        rows = np.arange(len(part)) if rng is None else rng.permutation(len(part))
        if split is not None:
            rows = rows[part.splits[rows] == split]
        for start in range(0, len(rows), batch_rows):
            yield part.select(rows[start : start + batch_rows])
            part = replace(part, left_out=())


def joined(parts: list[FaceDataset]) -> FaceDataset:
    """Parts of one data set, one below the other. Raises DataError where there is none, or sizes or classes differ."""
    left_out = tuple(entry for part in parts for entry in part.left_out)
    filled = [part for part in parts if len(part)]
    if not filled:
        reason = f"; the first of {len(left_out)} left out: {left_out[0].reason}" if left_out else ""
        raise DataError(f"a data set without a row that can be read{reason}")
    shapes = {part.images.shape[1:] for part in filled}
    if len(shapes) > 1:
        raise DataError(f"{filled[0].name}: crops of different sizes {sorted(shapes)}; bring them to one with --size")

    taxonomies = {part.taxonomy for part in filled}
    if len(taxonomies) > 1:
        names = ", ".join(sorted(taxonomy.name for taxonomy in taxonomies))
        raise DataError(f"{filled[0].name}: labels of different classes ({names}); load each kind by itself")

    def column(name: str) -> Any:
        values = [getattr(part, name) for part in filled]
        return None if any(value is None for value in values) else np.concatenate(values)

    columns = ("images", "labels", "splits", "votes", "subjects", "names")
    return replace(filled[0], **{name: column(name) for name in columns}, left_out=left_out)


def _shards(path: Path) -> list[Path]:
    if path.is_dir():
        shards = sorted(path.glob("*.parquet"))
        series = {re.sub(r"\d+", "", shard.name) for shard in shards}
        if len(series) > 1:
            raise DataError(f"{path}: holds several data sets ({', '.join(shard.name for shard in shards)}); name one")
        return shards
    return [path] if path.suffix.lower() == ".parquet" else []


def _parts(
    path: Path, options: LoadOptions, *, batch_rows: int, rng: np.random.Generator | None = None
) -> Iterator[FaceDataset]:
    """Groups of rows of all shards, as data sets; in a random order if ``rng`` is given."""
    shards = _shards(path)
    if not shards:
        raise InputError(f"{path}: no Parquet file; name a file that ends in .parquet, or a folder with such files")
    groups = [(shard, group) for shard in shards for group in range(open_parquet(shard).num_row_groups)]
    if rng is not None:
        groups = [groups[place] for place in rng.permutation(len(groups))]
    for shard, group in groups:
        file = open_parquet(shard)
        about = _about(shard, file)
        first = sum(file.metadata.row_group(before).num_rows for before in range(group))
        for rows in parquet_rows(shard, file, batch_size=batch_rows, row_groups=[group]):
            yield _dataset(shard, rows, first, about, options)
            first += len(rows)


def _about(shard: Path, file: Any) -> dict[str, Any]:
    try:
        about = parse_json((file.schema_arrow.metadata or {})[KEY])
        if about["format"] != FORMAT:
            raise DataError(f"{shard}: format {about['format']}, expected {FORMAT}; update unmask")
        if missing := [name for name in ("image", "label", "split") if name not in file.schema_arrow.names]:
            raise DataError(f"{shard}: column missing: '{missing[0]}'; export the data set again")
        return {
            "name": str(about["name"]),
            "taxonomy": taxonomy_named(about["taxonomy"]),
            "made_from": str(about["made_from"]),
            "columns": set(file.schema_arrow.names),
        }
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{shard}: not unmask's own Parquet; a table of files needs a column 'file'") from None


def _dataset(
    shard: Path, rows: list[dict[str, Any]], first: int, about: dict[str, Any], options: LoadOptions
) -> FaceDataset:
    taxonomy: Taxonomy = about["taxonomy"]
    images, left_out = [], []
    kept: list[tuple[int, str, str, tuple[int, ...] | None, str | None]] = []
    for number, row in enumerate(rows, start=first):
        try:
            images.append(_image(row, options.size))
            label = UNLABELLED if row["label"] is None else taxonomy.code(row["label"])
            if not isinstance(row["split"], str):
                raise DataError(f"split {row['split']!r}; expected a name")
            votes = parse_votes(row["votes"] or []) if "votes" in about["columns"] else None
        except UnmaskError as error:
            del images[len(kept) :]
            if not options.skip_bad:
                raise type(error)(f"{shard}: row {number}: {error}; {NEXT_STEP}") from None
            left_out.append(LeftOut(f"{shard.name}, row {number}", str(error)))
            continue
        kept.append((label, row["split"], row.get("subject") or "", votes, row["image"].get("path")))
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise DataError(f"{shard}: crops of different sizes {sorted(shapes)}; bring them to one with --size")
    labels, splits, subjects, counts, names = zip(*kept, strict=True) if kept else ((), (), (), (), ())
    return FaceDataset(
        name=about["name"],
        images=np.stack(images) if images else np.empty((0, 0, 0), np.uint8),
        labels=np.array(labels, dtype=np.int64),
        taxonomy=taxonomy,
        splits=np.array(splits, dtype=np.str_),
        checksum=about["made_from"],
        votes=np.array(counts, dtype=np.uint8).reshape(-1, 10) if "votes" in about["columns"] else None,
        subjects=np.array(subjects, dtype=np.str_) if "subject" in about["columns"] else None,
        names=np.array(names, dtype=np.str_) if kept and None not in names else None,
        left_out=tuple(left_out),
    )


def _image(row: dict[str, Any], size: int | None) -> NDArray[np.uint8]:
    data = (row["image"] or {}).get("bytes")
    if not data:
        raise DataError("no picture in 'image'")
    image = decode(data, name="image")
    return to_grey(image) if size is None else reduce(image, size)
