"""What has been parsed once, kept for the next time in the user's cache folder, never beside the original.

An entry is a folder named after the size and the SHA-256 of the original: ``images.npy``, which is mapped into memory
and not read, and ``rows.json``. A note for each path, size and time of change says which checksum that file has, so
that later loads need not read it. A cache that cannot be written, or that is damaged, only means that the original is
parsed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from unmask.datasets.base import FaceDataset
from unmask.errors import DataError
from unmask.expressions import taxonomy_named
from unmask.parsing import parse_json

FOLDER_VARIABLE = "UNMASK_CACHE"
"""Environment variable that names the folder of the cache."""

_FORMAT = 1


def cache_folder() -> Path:
    """The folder that ``UNMASK_CACHE`` names, else ``unmask`` in the user's cache folder. It need not exist.

    Raises
    ------
    RuntimeError
        The user has no home folder, and none is named.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "unmask"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "unmask" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unmask"


class CachedFile:
    """The place in the cache of one file as it is now.

    Parameters
    ----------
    path
        The original.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._status = path.stat()

    def find(self, name: str) -> FaceDataset | None:
        """The data set that was made of this file, its images mapped into memory; None where there is none.

        Parameters
        ----------
        name
            Of the data set. It is not kept, since files of other names may hold the same bytes.
        """
        with suppress(OSError, ValueError, KeyError, TypeError, DataError, RuntimeError):
            checksum = self._noted() or self._computed()
            return None if checksum is None else self._read(self._entry(checksum), name)
        return None

    def store(self, dataset: FaceDataset) -> None:
        """Keep a data set without votes and names that was made of this file; does nothing where it cannot."""
        with suppress(OSError, RuntimeError):
            now = self._path.stat()
            if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
                return  # changed while it was read
            entry = self._entry(dataset.checksum)
            entry.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(dir=entry.parent, prefix="part-"))
            try:
                np.save(part / "images.npy", dataset.images, allow_pickle=False)
                (part / "rows.json").write_text(json.dumps(_rows(dataset)), encoding="utf-8")
                if entry.exists():  # damaged, or stored by another process meanwhile
                    shutil.rmtree(entry, ignore_errors=True)
                part.replace(entry)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            self._note(dataset.checksum)

    @property
    def _folder(self) -> Path:
        return cache_folder() / f"datasets-{_FORMAT}"

    def _entry(self, checksum: str) -> Path:
        return self._folder / f"{self._status.st_size}-{checksum}"

    @property
    def _note_path(self) -> Path:
        key = f"{self._path}\n{self._status.st_size}\n{self._status.st_mtime_ns}"
        return self._folder / "notes" / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()

    def _noted(self) -> str | None:
        with suppress(FileNotFoundError):
            return self._note_path.read_text(encoding="ascii")
        return None

    def _note(self, checksum: str) -> None:
        self._note_path.parent.mkdir(parents=True, exist_ok=True)
        self._note_path.write_text(checksum, encoding="ascii")

    def _computed(self) -> str | None:
        """The file's checksum, if an entry of its size makes that worth computing."""
        if not any(self._folder.glob(f"{self._status.st_size}-*")):
            return None
        with open(self._path, "rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        if self._entry(checksum).exists():
            self._note(checksum)
        return checksum

    def _read(self, entry: Path, name: str) -> FaceDataset | None:
        if not entry.is_dir():
            return None
        rows = parse_json((entry / "rows.json").read_text(encoding="utf-8"))
        # Copy on write: the array may be changed in memory like any other, the file stays as it is.
        images = np.load(entry / "images.npy", mmap_mode="c", allow_pickle=False).view(np.ndarray)
        subjects = rows["subjects"]
        return FaceDataset(
            name=name,
            images=images,
            labels=np.array(rows["labels"], dtype=np.int64),
            taxonomy=taxonomy_named(rows["taxonomy"]),
            splits=np.array(rows["split_names"])[np.array(rows["splits"], dtype=np.int64)],
            checksum=rows["checksum"],
            votes=None if rows["votes"] is None else np.array(rows["votes"], dtype=np.uint8),
            subjects=None if subjects is None else np.array(subjects),
        )


def _rows(dataset: FaceDataset) -> dict[str, Any]:
    split_names, splits = np.unique(dataset.splits, return_inverse=True)
    return {
        "taxonomy": dataset.taxonomy.name,
        "checksum": dataset.checksum,
        "labels": dataset.labels.tolist(),
        "split_names": split_names.tolist(),
        "splits": splits.tolist(),
        "votes": None if dataset.votes is None else dataset.votes.tolist(),
        "subjects": None if dataset.subjects is None else dataset.subjects.tolist(),
    }
