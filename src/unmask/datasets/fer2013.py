"""FER2013 in the CSV layouts in which it is published.

Goodfellow et al., "Challenges in Representation Learning" (doi:10.1016/j.neunet.2014.09.005). One row a 48x48 grey
face: ``pixels`` holds 2,304 numbers parted by spaces, ``emotion`` a code of the taxonomy ``fer2013``, ``Usage`` the
split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.errors import DataError, InputError
from unmask.expressions import FER2013

SIDE = 48
SPLITS = ("Training", "PublicTest", "PrivateTest")


def _rows(path: Path, columns: list[str]) -> Iterator[tuple[int, list[bytes]]]:
    """Line number and cells of each row after the header."""
    with open(path, "rb") as file:
        file.readline()
        for number, line in enumerate(file, start=2):
            cells = [cell.strip(b' "\t') for cell in line.rstrip(b"\r\n").split(b",")]
            if cells == [b""]:
                continue
            if len(cells) != len(columns):
                raise DataError(f"{path}: line {number}: expected {len(columns)} cells, got {len(cells)}")
            yield number, cells


def _header(path: Path) -> list[str]:
    try:
        with open(path, "rb") as file:
            names = file.readline(200).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    columns = [name.strip(' "\r\n\t').lower() for name in names.split(",")]
    if "pixels" not in columns or not set(columns) <= {"emotion", "pixels", "usage"}:
        raise DataError(
            f"{path}: not a FER2013 CSV: expected a header of 'emotion', 'pixels', 'Usage' in any order, "
            f"got {names[:60]!r}"
        )
    return columns


def _pixels(text: bytes, where: str) -> NDArray[np.uint8]:
    """One image ``(48, 48)`` from its numbers."""
    try:
        values = np.array(text.split(), dtype=np.int64)
    except ValueError:
        raise DataError(f"{where}: pixels must be whole numbers parted by spaces") from None
    if len(values) != SIDE * SIDE:
        raise DataError(f"{where}: expected {SIDE * SIDE} pixels, got {len(values)}")
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{where}: pixels must be 0 to 255, got {values.min()} to {values.max()}")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def load_fer2013(path: str | Path) -> FaceDataset:
    """Read ``fer2013.csv``, ``icml_face_data.csv``, ``train.csv`` or ``test.csv``.

    A file without ``Usage`` is all ``Training`` when it has labels and all ``PublicTest`` when it has none, as on
    Kaggle.

    Raises
    ------
    DataError
        The layout is another one, or a row is damaged; the message names the line.
    """
    path = Path(path)
    columns = _header(path)
    emotion, pixels, usage = (
        columns.index(name) if name in columns else None for name in ("emotion", "pixels", "usage")
    )
    assert pixels is not None
    images, labels, splits = [], [], []
    for number, cells in _rows(path, columns):
        where = f"{path}: line {number}"
        images.append(_pixels(cells[pixels], where))
        label = UNLABELLED
        if emotion is not None:
            if not cells[emotion].isdigit() or int(cells[emotion]) >= len(FER2013):
                raise DataError(
                    f"{where}: expected a code 0 to 6 in 'emotion', got {cells[emotion].decode(errors='replace')!r}"
                )
            label = int(cells[emotion])
        labels.append(label)
        split = "Training" if emotion is not None else "PublicTest"
        if usage is not None:
            split = cells[usage].decode(errors="replace")
            if split not in SPLITS:
                raise DataError(f"{where}: expected one of {', '.join(SPLITS)} in 'Usage', got {split!r}")
        splits.append(split)
    if not images:
        raise DataError(f"{path}: has a header and no rows")
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return FaceDataset(
        name="FER2013",
        images=np.stack(images),
        labels=np.array(labels, dtype=np.int64),
        taxonomy=FER2013,
        splits=np.array(splits),
        checksum=checksum,
    )
