"""FER2013 in the CSV layouts in which it is published, and the same layout with a few columns more.

Goodfellow et al., "Challenges in Representation Learning" (doi:10.1016/j.neunet.2014.09.005). One row a 48x48 grey
face: ``pixels`` holds 2,304 numbers parted by spaces, ``emotion`` a code of the taxonomy ``fer2013``, ``Usage`` the
split.

What FER2013's columns cannot hold has its own: ``pixels_HxW`` for another size, ``label_TAXONOMY`` for codes of
another taxonomy and for rows without a label (-1), ``split`` for splits of other names, ``subject``, and FER+'s ten
vote columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import NEXT_STEP, UNLABELLED, FaceDataset, LeftOut
from unmask.datasets.cache import CachedFile
from unmask.datasets.csv_rows import PixelRows, read_header, read_pixel_rows
from unmask.datasets.ferplus import COLUMNS as VOTE_COLUMNS
from unmask.datasets.layouts import LoadOptions
from unmask.errors import DataError
from unmask.expressions import FER2013, TAXONOMIES, Taxonomy
from unmask.writing import disk_errors, replacing

SIDE = 48
SPLITS = ("Training", "PublicTest", "PrivateTest")

_Value = TypeVar("_Value")
_PIXELS = re.compile(r"pixels(?:_(\d{1,4})x(\d{1,4}))?")
_VOTES = tuple(name.lower() for name in VOTE_COLUMNS)
_LABELS = {"emotion": FER2013, **{f"label_{name}": taxonomy for name, taxonomy in TAXONOMIES.items()}}


@dataclass(frozen=True, slots=True)
class _Header:
    """Columns in the file's order, and what the ones of special meaning are called."""

    columns: list[str]
    pixels: str
    shape: tuple[int, int]
    label: str | None
    split: str | None

    @property
    def taxonomy(self) -> Taxonomy:
        return _LABELS[self.label] if self.label else FER2013

    @property
    def votes(self) -> bool:
        return set(_VOTES) <= set(self.columns)


def sniff(path: Path) -> bool:
    """Whether a file begins like one of these layouts."""
    if not path.is_file():
        return False
    try:
        _understand(path, read_header(path))
    except DataError:
        return False
    return True


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read ``fer2013.csv``, ``icml_face_data.csv``, ``train.csv``, ``test.csv``, or what :func:`write` wrote.

    A file without ``Usage`` is all ``Training`` when it has labels and all ``PublicTest`` when it has none, as on
    Kaggle. The second load of a file comes from the cache.

    Raises
    ------
    InputError
        The file cannot be read.
    DataError
        The layout is another one, or a row is damaged; the message names the line.
    """
    header = _understand(path, read_header(path))
    cached = CachedFile(path)
    dataset = cached.find(_name(path, header)) if options.cache else None
    if dataset is None:
        dataset = _parse(path, header, options)
        if options.cache and not dataset.left_out:
            cached.store(dataset)
    return dataset


def _understand(path: Path, columns: list[str]) -> _Header:
    known = {*_LABELS, *_VOTES, "usage", "split", "subject"}
    pixels = [name for name in columns if _PIXELS.fullmatch(name)]
    labels = [name for name in columns if name in _LABELS]
    splits = [name for name in columns if name in ("usage", "split")]
    strange = [name for name in columns if name not in known and name not in pixels]
    doubled = len(set(columns)) < len(columns) or max(len(pixels), len(labels), len(splits)) > 1
    if len(pixels) != 1 or strange or doubled or len(set(_VOTES) & set(columns)) not in (0, len(_VOTES)):
        wrong = f"column missing: 'pixels', got {','.join(columns)[:60]!r}" if not pixels else f"got {columns!r}"[:120]
        raise DataError(
            f"{path}: not a FER2013 CSV: expected a header of 'emotion', 'pixels', 'Usage' in any order; {wrong}"
        )
    match = _PIXELS.fullmatch(pixels[0])
    assert match is not None
    shape = (int(match[1]), int(match[2])) if match[1] else (SIDE, SIDE)
    if not all(shape):
        raise DataError(f"{path}: '{pixels[0]}': pictures without pixels")
    return _Header(columns, pixels[0], shape, next(iter(labels), None), next(iter(splits), None))


def _parse(path: Path, header: _Header, options: LoadOptions) -> FaceDataset:
    height, width = header.shape
    rows = read_pixel_rows(path, header.columns, header.pixels, height * width, skip_bad=options.skip_bad)
    meaning = _Meaning(path, rows, options.skip_bad)
    count = len(rows.lines)
    labels = np.full(count, UNLABELLED)
    if header.label:
        lowest = 0 if header.label == "emotion" else UNLABELLED
        labels = meaning.numbers(header.label, lowest, len(header.taxonomy) - 1)
    splits = np.full(count, "Training" if header.label else "PublicTest")
    if header.split:
        splits = meaning.words(header.split, SPLITS if header.split == "usage" else None)
    votes = None
    if header.votes:
        votes = np.stack([meaning.numbers(name, 0, 255) for name in _VOTES], axis=1).astype(np.uint8)
    subjects = meaning.words("subject", None) if "subject" in header.columns else None
    left_out = (*rows.left_out, *meaning.left_out())
    if meaning.bad.all():  # as of no rows at all
        reason = f"; the first of {len(left_out):,}: {left_out[0].where}: {left_out[0].reason}" if left_out else ""
        raise DataError(f"{path}: has a header and no row that can be read{reason}")
    dataset = FaceDataset(
        name=_name(path, header),
        images=rows.pixels.reshape(-1, height, width),
        labels=labels,
        taxonomy=header.taxonomy,
        splits=splits,
        checksum=rows.checksum,
        votes=votes,
        subjects=subjects,
        left_out=left_out,
    )
    return dataset.select(~meaning.bad) if meaning.bad.any() else dataset


def _name(path: Path, header: _Header) -> str:
    published = header.shape == (SIDE, SIDE) and header.label in ("emotion", None) and header.split != "split"
    return "FER2013" if published else path.stem


class _Meaning:
    """Cells of a column to values; what is wrong is raised, or its row noted as bad."""

    def __init__(self, path: Path, rows: PixelRows, skip_bad: bool) -> None:
        self._path, self._rows, self._skip = path, rows, skip_bad
        self._reasons: dict[int, str] = {}
        self.bad = np.zeros(len(rows.lines), dtype=bool)

    def left_out(self) -> list[LeftOut]:
        return [LeftOut(f"line {self._rows.lines[row]}", reason) for row, reason in sorted(self._reasons.items())]

    def numbers(self, name: str, low: int, high: int) -> NDArray[np.int64]:
        def number(cell: str) -> int:
            if not re.fullmatch(r"-?\d{1,3}", cell) or not low <= int(cell) <= high:
                raise DataError(f"expected a number {low} to {high} in '{name}', got {cell[:40]!r}")
            return int(cell)

        return np.array(self._column(name, number, low), dtype=np.int64)

    def words(self, name: str, known: tuple[str, ...] | None) -> NDArray[np.str_]:
        def word(cell: str) -> str:
            if known is not None and cell not in known:
                raise DataError(f"expected one of {', '.join(known)} in '{name}', got {cell[:40]!r}")
            return cell

        return np.array(self._column(name, word, ""), dtype=np.str_)

    def _column(self, name: str, convert: Callable[[str], _Value], otherwise: _Value) -> list[_Value]:
        values: dict[bytes, _Value] = {}
        for cell in set(self._rows.cells[name]):
            try:
                values[cell] = convert(cell.decode("utf-8"))
            except (DataError, UnicodeDecodeError) as error:
                self._refuse(name, cell, str(error))
                values[cell] = otherwise
        return [values[cell] for cell in self._rows.cells[name]]

    def _refuse(self, name: str, cell: bytes, reason: str) -> None:
        rows = [row for row, other in enumerate(self._rows.cells[name]) if other == cell]
        if not self._skip:
            raise DataError(f"{self._path}: line {self._rows.lines[rows[0]]}: {reason}; {NEXT_STEP}")
        self.bad[rows] = True
        self._reasons |= {row: reason for row in rows if row not in self._reasons}


def write(dataset: FaceDataset, path: Path) -> None:
    """Write a data set in FER2013's layout, with further columns only where its own do not hold the data.

    Raises
    ------
    DataError
        A name of a split or subject cannot stand in a CSV without quotes.
    InputError
        The file cannot be written.
    """
    height, width = dataset.images.shape[1:]
    plain = dataset.taxonomy == FER2013 and bool((dataset.labels != UNLABELLED).all())
    columns: dict[str, list[str]] = {
        "emotion" if plain else f"label_{dataset.taxonomy.name}": [str(label) for label in dataset.labels.tolist()],
        "pixels" if (height, width) == (SIDE, SIDE) else f"pixels_{height}x{width}": [],
        "Usage" if set(dataset.splits.tolist()) <= set(SPLITS) else "split": _plain_words(dataset.splits, "split"),
    }
    if dataset.subjects is not None:
        columns["subject"] = _plain_words(dataset.subjects, "subject")
    if dataset.votes is not None:
        for name, counts in zip(VOTE_COLUMNS, dataset.votes.T.tolist(), strict=True):
            columns[name] = [str(count) for count in counts]
    label, _, *others = columns.values()
    words = [str(value) for value in range(256)]
    with disk_errors(path), replacing(path) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(columns) + "\n")
        for row, image in enumerate(dataset.images):
            pixels = " ".join(map(words.__getitem__, image.tobytes()))
            file.write(",".join([label[row], pixels, *(column[row] for column in others)]) + "\n")


def _plain_words(words: NDArray[np.str_], what: str) -> list[str]:
    for word in np.unique(words).tolist():
        if word != word.strip(' "\t\r') or any(char in word for char in ',\n\r"') or not word.isprintable():
            raise DataError(f"{what} {word[:40]!r} cannot stand in a plain CSV; write Parquet instead")
    return list(words.tolist())
