"""AffectNet as it is published, in both forms.

Mollahosseini et al., "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the Wild"
(doi:10.1109/TAFFC.2017.2740923). The first form lists pictures and face boxes in ``training.csv`` and
``validation.csv`` beside ``Manually_Annotated_Images``; the later one has ``train_set`` and ``val_set``, each with
``images/N.jpg`` cut to the face and ``annotations/N_exp.npy``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from unmask.datasets.base import FaceDataset, LeftOut
from unmask.datasets.layouts import LoadOptions
from unmask.datasets.pictures import PictureRow, from_pictures
from unmask.errors import DataError, InputError
from unmask.expressions import FERPLUS

CODES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
NOT_EXPRESSIONS = ("8", "9", "10")
"""None, uncertain and no face: such rows are not part of the data set."""

_TABLES = {"Training": "training.csv", "Validation": "validation.csv"}
_SETS = {"Training": "train_set", "Validation": "val_set"}
_BOX = ("face_x", "face_y", "face_width", "face_height")
_COLUMNS = ("subDirectory_filePath", *_BOX, "expression")


def sniff(path: Path) -> bool:
    """Whether a folder has one of AffectNet's two forms."""
    if not path.is_dir():
        return False
    if any((path / name / "annotations").is_dir() for name in _SETS.values()):
        return True
    return any((path / name).is_file() for name in _TABLES.values()) and _pictures(path) is not None


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read the rows with one of AffectNet's eight expressions, in FER+'s taxonomy, which has the same eight.

    Raises
    ------
    InputError
        A file is missing or damaged.
    DataError
        A table or an annotation has another form; the message names it.
    """
    rows = (*_from_tables(path), *_from_sets(path))
    return from_pictures("AffectNet", path, rows, replace(options, taxonomy=options.taxonomy or FERPLUS))


def _pictures(path: Path) -> Path | None:
    names = (
        "Manually_Annotated_Images",
        "Manually_Annotated/Manually_Annotated_Images",
        "Manually_Annotated",
        "images",
    )
    return next((folder for name in names if (folder := path / name).is_dir()), None)


def _from_tables(path: Path) -> Iterator[PictureRow | LeftOut]:
    for split, name in _TABLES.items():
        table, pictures = path / name, _pictures(path)
        if pictures is None or not table.is_file():
            continue
        try:
            with open(table, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                reader = csv.DictReader(file)
                missing = set(_COLUMNS) - set(reader.fieldnames or ())
                if missing:
                    raise DataError(f"{table}: columns missing: {', '.join(sorted(missing))}")
                for cells in reader:
                    if (cells["expression"] or "").strip() not in NOT_EXPRESSIONS:
                        yield _table_row(cells, split, pictures, f"{table}, line {reader.line_num}")
        except OSError as error:
            raise InputError(f"{table}: cannot be read ({error.strerror}); check the file") from None
        except csv.Error as error:
            raise DataError(f"{table}: not a CSV ({error}); check the file") from None


def _table_row(cells: dict[str, str], split: str, pictures: Path, where: str) -> PictureRow | LeftOut:
    try:
        left, top, width, height = (int(float(cells[name])) for name in _BOX)
        label = _label(cells["expression"])
        parts = cells["subDirectory_filePath"].strip()
    except (AttributeError, TypeError, ValueError, OverflowError, IndexError):
        return LeftOut(where, f"expected {', '.join(_COLUMNS)} as numbers and a code 0 to 7")
    box = (left, top, left + width, top + height)
    return PictureRow(pictures / parts, label=label, split=split, box=box, where=where)


def _label(code: str) -> str:
    number = int(code)
    if number < 0:  # Python would count from the end
        raise IndexError(number)
    return CODES[number]


def _from_sets(path: Path) -> Iterator[PictureRow | LeftOut]:
    for split, name in _SETS.items():
        for annotation in sorted((path / name / "annotations").glob("*_exp.npy")):
            try:
                code = str(np.load(annotation, allow_pickle=False).item())
                label = None if code in NOT_EXPRESSIONS else _label(code)
            except (OSError, ValueError, IndexError, EOFError):
                yield LeftOut(str(annotation), "expected one code 0 to 7")
                continue
            if label is not None:
                picture = path / name / "images" / f"{annotation.name.removesuffix('_exp.npy')}.jpg"
                yield PictureRow(picture, label=label, split=split, where=str(annotation))
