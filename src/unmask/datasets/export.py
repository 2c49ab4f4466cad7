"""Writing data sets: folders of pictures, CSV, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from unmask.datasets import fer2013, own_folder, own_parquet_writing
from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, InputError, suggest


def _write_parquet(dataset: FaceDataset, path: Path) -> None:
    own_parquet_writing.write(dataset, path)


WRITERS: Mapping[str, Callable[[FaceDataset, Path], None]] = {
    "csv": fer2013.write,
    "folders": own_folder.write,
    "parquet": _write_parquet,
}
"""What writes each form; :func:`unmask.datasets.load_dataset` reads all of them back."""

_SUFFIXES = {".csv": "csv", ".parquet": "parquet"}


def write_dataset(dataset: FaceDataset, path: str | Path, *, to: str | None = None) -> None:
    """Write a data set; what is at the path already is never overwritten.

    Parameters
    ----------
    path
        A file for ``csv``; a file or a folder of shards for ``parquet``; a folder for ``folders``.
    to
        One of :data:`WRITERS`; None goes by the ending of ``path``, and takes folders where it is not that of a file.

    Raises
    ------
    ConfigError
        An unknown form, the ending of another form, or one that looks like a slip of the pen.
    InputError
        There is something at the path, or it cannot be written.
    DataError
        The form cannot hold the data; the message names one that can.
    """
    WRITERS[check_place(path, to=to)](dataset, Path(path))


def check_place(path: str | Path, *, to: str | None = None) -> str:
    """The form in which :func:`write_dataset` would write there; raises its ConfigError and InputError.

    For whoever has long to compute before there is something to write.
    """
    path = Path(path)
    form = to or _form_by_ending(path)
    if form not in WRITERS:
        raise ConfigError(f"unknown form '{form}'; {suggest(form, WRITERS)}")
    named = _SUFFIXES.get(path.suffix.lower(), form)
    if named != form:
        raise ConfigError(f"{path}: has the ending of the form {named}, not of {form}; name it otherwise")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path}: is there already; name another place, nothing is overwritten")
    return form


def _form_by_ending(path: Path) -> str:
    """Folders may have a dot in their name (``faces-v1.0``), but not an ending that is nearly a file's."""
    from difflib import get_close_matches  # takes long to load

    ending = path.suffix.lower()
    if ending not in _SUFFIXES and get_close_matches(ending, _SUFFIXES, n=1):
        raise ConfigError(f"{path}: unknown ending '{ending}'; {suggest(ending, _SUFFIXES)}, and none for a folder")
    return _SUFFIXES.get(ending, "folders")
