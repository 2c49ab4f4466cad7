"""Data sets whose faces are picture files: decoded safely, made grey, brought to one size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import NEXT_STEP, FaceDataset, LeftOut
from unmask.datasets.labels import parse_label, to_codes
from unmask.datasets.layouts import LoadOptions
from unmask.errors import DataError, UnmaskError
from unmask.images import Image, load, to_grey

SPLIT_WORDS = {
    "train": "Training",
    "training": "Training",
    "val": "Validation",
    "valid": "Validation",
    "validation": "Validation",
    "test": "Test",
    "testing": "Test",
    "publictest": "PublicTest",
    "privatetest": "PrivateTest",
}
"""Splits as other people's folders and tables name them, in lower case."""


def split_named(word: str) -> str:
    """The split that a folder or table means; a name that is not among :data:`SPLIT_WORDS` stays as it is."""
    return SPLIT_WORDS.get(word.strip().lower(), word.strip())


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One face in a file.

    Parameters
    ----------
    path
        The file.
    label
        A word, or a code of the taxonomy; empty where there is none.
    split
        Name of the split, as it shall stand in the data set.
    subject
        Who it is; empty where unknown.
    box
        Left, top, right, bottom of the face in pixels of the file; None takes the whole picture.
    votes
        Ten counts as FER+ has them.
    where
        Place in the table that lists the file, for messages.
    """

    path: Path
    label: str = ""
    split: str = "Training"
    subject: str = ""
    box: tuple[int, int, int, int] | None = None
    votes: tuple[int, ...] | None = None
    where: str = ""


def from_pictures(name: str, folder: Path, rows: Iterable[PictureRow | LeftOut], options: LoadOptions) -> FaceDataset:
    """Read picture files into a data set, in the order of the rows.

    Colour becomes grey; the largest square in the middle is brought to ``options.picture_size`` pixels, by area where
    it shrinks. The checksum covers names, labels, splits and bytes of all files.

    Parameters
    ----------
    name
        Of the data set.
    folder
        That ``names`` are relative to.
    rows
        A :class:`LeftOut` among them is a row of a table that is damaged itself.

    Raises
    ------
    InputError
        A file is missing or damaged.
    DataError
        A row is damaged, a label is unknown, or there is no row at all.
    """
    listed: list[PictureRow] = []
    left_out: list[LeftOut] = []
    for row in rows:
        if isinstance(row, PictureRow):
            listed.append(row)
        elif options.skip_bad:
            left_out.append(row)
        else:
            raise DataError(f"{row.where}: {row.reason}; {NEXT_STEP}")

    def read(row: PictureRow) -> tuple[NDArray[np.uint8], str, bytes] | UnmaskError:
        try:
            label = parse_label(row.label, options.taxonomy)
            pixels = reduce(_cut(load(row.path), row.box), options.picture_size)
            with open(row.path, "rb") as file:
                return pixels, label or "", hashlib.file_digest(file, "sha256").digest()
        except UnmaskError as error:
            return error

    kept: list[PictureRow] = []
    images, labels = [], []
    digest = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for row, result in zip(listed, pool.map(read, listed), strict=True):
            if isinstance(result, UnmaskError):
                if not options.skip_bad:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise type(result)(f"{_located(str(result), row, folder)}; {NEXT_STEP}")
                left_out.append(LeftOut(_place(row, folder), str(result).removeprefix(f"{row.path}: ")))
                continue
            pixels, label, content = result
            kept.append(row)
            images.append(pixels)
            labels.append(parse_label(label, None))
            digest.update(repr((_relative(row.path, folder), label, row.split, row.subject, row.votes)).encode())
            digest.update(content)
    if not kept:
        reason = f"; the first of {len(left_out)}: {left_out[0].where}: {left_out[0].reason}" if left_out else ""
        raise DataError(f"{folder}: no picture that can be read{reason}")
    codes, taxonomy = to_codes(labels, options.taxonomy)
    return FaceDataset(
        name=name,
        images=np.stack(images),
        labels=codes,
        taxonomy=taxonomy,
        splits=np.array([row.split for row in kept]),
        checksum=digest.hexdigest(),
        votes=_votes(kept, folder),
        subjects=np.array([row.subject for row in kept]) if any(row.subject for row in kept) else None,
        names=np.array([_relative(row.path, folder) for row in kept]),
        left_out=tuple(left_out),
    )


def reduce(image: Image, size: int) -> NDArray[np.uint8]:
    """The largest square in the middle of a picture, grey, ``(size, size)``: by area where it shrinks, else cubic."""
    import cv2

    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = to_grey(np.ascontiguousarray(image[top : top + side, left : left + side]))
    if side == size:
        return square
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cast("NDArray[np.uint8]", cv2.resize(square, (size, size), interpolation=how))


def resized(dataset: FaceDataset, size: int) -> FaceDataset:
    """The data set with all crops brought to ``size`` pixels."""
    if dataset.images.shape[1:] == (size, size):
        return dataset
    images = [reduce(image, size) for image in dataset.images]
    return replace(dataset, images=np.stack(images) if images else np.empty((0, size, size), np.uint8))


def _cut(image: Image, box: tuple[int, int, int, int] | None) -> Image:
    if box is None:
        return image
    left, top, right, bottom = box
    height, width = image.shape[:2]
    cut = image[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if not cut.size:
        raise DataError(f"the face's box {box} lies outside of the picture of {width} x {height} pixels")
    return cut


def _votes(rows: list[PictureRow], folder: Path) -> NDArray[np.uint8] | None:
    with_votes = sum(row.votes is not None for row in rows)
    if not with_votes:
        return None
    if with_votes < len(rows):
        raise DataError(f"{folder}: {with_votes} rows with votes and {len(rows) - with_votes} without")
    return np.array([row.votes for row in rows], dtype=np.uint8)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _place(row: PictureRow, folder: Path) -> str:
    name = _relative(row.path, folder)
    return f"{row.where}, {name}" if row.where else name


def _located(message: str, row: PictureRow, folder: Path) -> str:
    """The message with the row's place before it; a file that it names already is not named twice."""
    if not message.startswith(f"{row.path}: "):
        return f"{_place(row, folder)}: {message}"
    return f"{row.where}: {message}" if row.where else message
