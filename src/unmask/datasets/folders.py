"""Folders of pictures: one folder a class, with or without a folder a split above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unmask.datasets.base import SKIP_IT, FaceDataset, LeftOut
from unmask.datasets.labels import NO_LABEL, WORDS
from unmask.datasets.layouts import LoadOptions
from unmask.datasets.pictures import SPLIT_WORDS, PictureRow, from_pictures, split_named
from unmask.errors import DataError, InputError
from unmask.images import PICTURE_SUFFIXES

_CLASSES = {*WORDS, *NO_LABEL} - {""}


def sniff(path: Path) -> bool:
    """Whether a folder holds two or more class folders, itself or inside its splits."""
    return len({folder.name.lower() for _, folder in _class_folders(path) if folder.name.lower() in _CLASSES}) > 1


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read class folders, the files in the order of their paths.

    Classes are named by the words of the taxonomy or their nouns (``anger``, ``happiness``); ``unlabelled`` holds
    pictures without a label. Splits are folders above the classes; without them, all rows are ``Training``. What is
    hidden, and files that do not end like a picture, are passed over, as in folders that are read.

    Raises
    ------
    InputError
        A picture cannot be read.
    DataError
        A folder that is no class, or no picture at all.
    """
    rows, strange = [], []
    for split, folder in _class_folders(path):
        files = _files(folder)
        if folder.name.lower() not in _CLASSES:
            if files:
                strange.append(folder)
            continue
        rows += [PictureRow(file, label=folder.name, split=split) for file in files]
    if strange and not options.skip_bad:
        raise DataError(
            f"{strange[0]}: holds pictures and is no class; expected folders named {', '.join(sorted(_CLASSES))}. "
            f"Rename it, or {SKIP_IT}"
        )
    dataset = from_pictures(path.name, path, rows, options)
    passed = tuple(LeftOut(str(folder.relative_to(path)), "a folder that is no class") for folder in strange)
    return replace(dataset, left_out=(*dataset.left_out, *passed))


def _class_folders(path: Path) -> Iterator[tuple[str, Path]]:
    """Split and folder of everything that may be a class."""
    for folder in _folders(path):
        if folder.name.lower() in SPLIT_WORDS:
            for inner in _folders(folder):
                yield split_named(folder.name), inner
        else:
            yield "Training", folder


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(path / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except (NotADirectoryError, FileNotFoundError):  # a file, or a link that leads nowhere
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror}); check its permissions") from None


def _files(folder: Path) -> list[Path]:
    """Pictures in a folder and below it, in the order of their paths, without hidden ones."""
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # which os.walk then passes over
        pictures = [Path(where, file) for file in files if Path(file).suffix.lower() in PICTURE_SUFFIXES]
        found += [file for file in pictures if not file.name.startswith(".")]
    return sorted(found)
