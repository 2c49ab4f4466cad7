"""unmask's own folder: PNG files by split and class for people, two small files more to read it back exactly."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import UNLABELLED, FaceDataset, LeftOut
from unmask.datasets.ferplus import COLUMNS as VOTE_COLUMNS
from unmask.datasets.layouts import LoadOptions
from unmask.datasets.pictures import PictureRow, from_pictures
from unmask.datasets.tables import parse_votes
from unmask.errors import DataError, InputError
from unmask.expressions import taxonomy_named
from unmask.images import encoded
from unmask.parsing import parse_json
from unmask.writing import disk_errors, whole_folder, write_whole

FORMAT = 1
DESCRIPTION, ROWS = "dataset.json", "rows.csv"
_COLUMNS = ("file", "label", "split", "subject")


def sniff(path: Path) -> bool:
    """Whether a folder was written by :func:`write`."""
    return (path / DESCRIPTION).is_file() and (path / ROWS).is_file()


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read what :func:`write` wrote: the same rows in the same order, though not its name and checksum's origin.

    Raises
    ------
    InputError
        A file is missing or damaged.
    DataError
        Another format, or a row that is not what was written.
    """
    description = _description(path)
    options = replace(
        options, size=options.size or description["size"], taxonomy=taxonomy_named(description["taxonomy"])
    )
    try:
        with open(path / ROWS, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            if missing := set(_COLUMNS) - columns:
                raise DataError(f"{path / ROWS}: columns missing: {', '.join(sorted(missing))}")
            has_votes = set(VOTE_COLUMNS) <= columns
            rows = [_row(path, cells, f"{ROWS}, line {reader.line_num}", has_votes) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path / ROWS}: cannot be read ({error}); export the data set again") from None
    dataset = from_pictures(description["name"], path, rows, options)
    if description["subjects"] and dataset.subjects is None:
        dataset = replace(dataset, subjects=np.array([""] * len(dataset)))
    return dataset


def write(dataset: FaceDataset, path: Path) -> None:
    """Write a data set as PNG files ``SPLIT/CLASS/ROW.png`` and the two files that say what they are.

    Raises
    ------
    DataError
        The crops are not square, or there is none.
    InputError
        The folder holds something already, or cannot be written.
    """
    if not len(dataset) or dataset.images.shape[1] != dataset.images.shape[2]:
        raise DataError(f"{dataset.name}: folders take one or more square crops, got {dataset.images.shape}")
    with whole_folder(path) as part:
        _write(dataset, part)


def _write(dataset: FaceDataset, path: Path) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(VOTE_COLUMNS if dataset.votes is not None else ())])
    digits = len(str(len(dataset) - 1))
    for row, (image, code) in enumerate(zip(dataset.images, dataset.labels.tolist(), strict=True)):
        label = "unlabelled" if code == UNLABELLED else str(dataset.taxonomy.labels[code])
        split = str(dataset.splits[row])
        file = Path(_folder_name(split), label, f"{row:0{digits}}.png")
        with disk_errors(path / file):
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_bytes(png(image))
        subject = "" if dataset.subjects is None else dataset.subjects[row]
        writer.writerow(
            [file.as_posix(), label, split, subject, *([] if dataset.votes is None else dataset.votes[row])]
        )
    write_whole(path / ROWS, table.getvalue())
    description = {
        "format": FORMAT,
        "name": dataset.name,
        "taxonomy": dataset.taxonomy.name,
        "size": dataset.images.shape[1],
        "subjects": dataset.subjects is not None,
        "made_from": dataset.checksum,
    }
    write_whole(path / DESCRIPTION, json.dumps(description, indent=1) + "\n")


def png(image: NDArray[np.uint8]) -> bytes:
    """A grey picture ``(H, W)`` as PNG."""
    return encoded(image, "PNG")


def _row(path: Path, cells: dict[str, Any], where: str, has_votes: bool) -> PictureRow | LeftOut:
    file = cells["file"] or ""
    if not file or Path(file).is_absolute() or ".." in Path(file).parts or None in (cells["label"], cells["split"]):
        return LeftOut(f"{path / ROWS}: {where}", "expected a file inside the folder, a label and a split")
    try:
        votes = parse_votes([cells[name] for name in VOTE_COLUMNS]) if has_votes else None
    except DataError as error:
        return LeftOut(f"{path / ROWS}: {where}", str(error))
    return PictureRow(
        path / file,
        label=cells["label"],
        split=cells["split"],
        subject=cells["subject"] or "",
        votes=votes,
        where=where,
    )


def _description(path: Path) -> dict[str, Any]:
    try:
        description = parse_json((path / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path / DESCRIPTION}: cannot be read ({error}); export the data set again") from None
    expected = {"format": int, "name": str, "taxonomy": str, "size": int, "subjects": bool}
    if not isinstance(description, dict) or any(
        type(description.get(key)) is not kind for key, kind in expected.items()
    ):
        raise DataError(f"{path / DESCRIPTION}: expected {', '.join(expected)}; export the data set again")
    if description["format"] != FORMAT:
        raise DataError(f"{path / DESCRIPTION}: format {description['format']}, expected {FORMAT}; update unmask")
    return description


def _folder_name(split: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w-]", "_", split)[:60] or "_"
