"""Face data sets in one form: layouts, votes, splits, audit, and what they are written as."""

from __future__ import annotations

from pathlib import Path

from unmask.datasets import affectnet, fer2013, ferplus, folders, own_folder, own_parquet, rafdb, tables
from unmask.datasets.base import UNLABELLED, FaceDataset, LeftOut
from unmask.datasets.layouts import (
    Layout,
    LoadOptions,
    find_layout,
    layout_named,
    layout_names,
    register_layout,
)
from unmask.datasets.pictures import PictureRow, from_pictures, resized
from unmask.datasets.split_file import Split
from unmask.errors import ConfigError, DataError, InputError
from unmask.expressions import taxonomy_named

__all__ = [
    "FaceDataset",
    "Layout",
    "LeftOut",
    "LoadOptions",
    "PictureRow",
    "Split",
    "UNLABELLED",
    "from_pictures",
    "layout_names",
    "load_dataset",
    "register_layout",
]

register_layout(Layout("fer2013", "a CSV with a column 'pixels'", fer2013.sniff, fer2013.load))
register_layout(Layout("parquet", "unmask's own Parquet, a file or a folder", own_parquet.sniff, own_parquet.load))
register_layout(Layout("own-folder", "a folder that unmask data export wrote", own_folder.sniff, own_folder.load))
register_layout(Layout("rafdb", "RAF-DB: list_patition_label.txt and aligned faces", rafdb.sniff, rafdb.load))
register_layout(Layout("affectnet", "AffectNet, in either published form", affectnet.sniff, affectnet.load))
register_layout(Layout("folders", "class folders, with or without train/val/test", folders.sniff, folders.load))
register_layout(Layout("table", "a CSV or Parquet of picture files and labels", tables.sniff, tables.load))


def load_dataset(
    path: str | Path,
    *,
    ferplus_path: str | Path | None = None,
    layout: str | None = None,
    split_file: str | Path | None = None,
    fold: int | None = None,
    size: int | None = None,
    taxonomy: str | None = None,
    skip_bad: bool = False,
    cache: bool = True,
) -> FaceDataset:
    """A data set from a file or folder, in whatever known layout.

    Parameters
    ----------
    path
        A file or folder; a folder that holds exactly one data set stands for that.
    ferplus_path
        FER+'s votes, to be laid beside FER2013's rows.
    layout
        One of :func:`layout_names`; None finds out.
    split_file
        A split made by ``unmask data split``, whose names replace those in the data. It must belong to this data.
    fold
        Which fold of a k-fold split file to validate on, from 1; the others become ``Training``.
    size
        Side of the crops in pixels; None keeps what the layout stores and brings picture files to 48.
    taxonomy
        Meaning of labels that are numbers: ``fer2013`` or ``ferplus``.
    skip_bad
        Leave damaged rows and files out, and list them in ``left_out``.
    cache
        Keep a parsed CSV in the user's cache folder, and take it from there.

    Raises
    ------
    InputError
        A file cannot be opened.
    ConfigError
        No such layout or taxonomy, a size outside its range, a fold without a split file or one that it does not have.
    DataError
        No layout fits, a row is damaged, or votes or split do not belong to the rows.
    """
    if fold is not None and split_file is None:
        raise ConfigError(f"fold {fold} of what? name the file of unmask data split, with --split-file")
    path = Path(path)
    try:
        meaning = None if taxonomy is None else taxonomy_named(taxonomy)
    except DataError as error:  # here the name is an argument, elsewhere it stands in a file
        raise ConfigError(str(error)) from None
    options = LoadOptions(size, skip_bad, meaning, cache)
    try:
        found, place = find_layout(path) if layout is None else (layout_named(layout), path)
        dataset = found.load(place, options)
    except OSError as error:  # too long a name, or a folder that may not be searched
        where, reason = error.filename or path, error.strerror or error
        raise InputError(f"{where}: cannot be opened ({reason}); check the path") from None
    if ferplus_path is not None:
        dataset = ferplus.join(dataset, ferplus_path)
    if split_file is not None:
        dataset = Split.read(split_file).apply(dataset, fold=fold)
    return dataset if size is None else resized(dataset, size)
