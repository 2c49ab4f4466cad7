"""Published files that are not in the package: where they lie, and how they are fetched when a user asks for them.

Nothing here goes to the network unless :func:`fetch` is called.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unmask.errors import ModelError, UnknownModelError, suggest
from unmask.writing import Replacement

FOLDER_VARIABLE = "UNMASK_MODELS"
"""Environment variable that names the folder of fetched files."""

_CHUNK = 1 << 16

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and the bytes in all."""

Opener = Callable[[str], IO[bytes]]
"""Opens a URL for reading; raises OSError when it cannot."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A published file that unmask knows by its checksum.

    Parameters
    ----------
    name
        What it is called on the command line.
    file_name
        What it is called on disk.
    url
        Where it is published; ``https``.
    sha256
        Checksum, in hexadecimal.
    size
        In bytes.
    licence
        SPDX identifier.
    """

    name: str
    file_name: str
    url: str
    sha256: str
    size: int
    licence: str


def _torchvision(network: str, sha256: str, size: int) -> RemoteFile:
    """ImageNet weights as torchvision publishes them, for a network of the same name here."""
    file_name = f"{network}-{sha256[:8]}.pth"
    url = f"https://download.pytorch.org/models/{file_name}"
    return RemoteFile(f"{network}-imagenet", file_name, url, sha256, size, "BSD-3-Clause")


FETCHABLE: Mapping[str, RemoteFile] = {
    file.name: file
    for file in (
        RemoteFile(
            name="yunet",
            file_name="face_detection_yunet_2023mar.onnx",
            url=(
                "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
                "face_detection_yunet_2023mar.onnx"
            ),
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            size=232589,
            licence="MIT",
        ),
        _torchvision("vgg16", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 553433881),
        _torchvision("vgg16_bn", "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a", 553507836),
        _torchvision("vgg19", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", 574673361),
        _torchvision("vgg19_bn", "c79401a0cf3cb42714e4182f5868c7a6f4f4534f5df9e956e2bb2098de41cbb6", 574769405),
        _torchvision("mobilenet_v2", "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889", 14212972),
    )
}
"""The files that :func:`fetch` can bring, by name."""


def models_folder() -> Path:
    """The folder that ``UNMASK_MODELS`` names, else ``unmask`` in the user's data folder. It need not exist.

    Raises
    ------
    ModelError
        The user has no home folder, and the variable names none.
    """
    try:
        return _models_folder()
    except RuntimeError:
        raise ModelError(f"this user has no home folder; name a folder for models in {FOLDER_VARIABLE}") from None


def _models_folder() -> Path:
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "unmask"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "unmask"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "unmask"


def find(name: str) -> Path | None:
    """The fetched file of this name, or None where it is not in the folder.

    Raises
    ------
    UnknownModelError
        The name is not among :data:`FETCHABLE`.
    ModelError
        The file is there and is not the published one, or cannot be read.
    """
    file = _known(name)
    try:
        path = _models_folder() / file.file_name
    except RuntimeError:  # a user without a home folder, such as a service's, has fetched nothing
        return None
    found = _found(path)
    if found is None:
        return None
    if found != file.sha256:
        raise ModelError(
            f"{path}: is not the published file '{name}': expected sha256 {file.sha256}, got {found}; "
            f"delete it and run: unmask models fetch {name}"
        )
    return path


def is_published(path: Path, file: RemoteFile) -> bool:
    """Whether a file that another program keeps is there and is the published one."""
    return _found(path) == file.sha256


def _found(path: Path) -> str | None:
    """SHA-256 of a file, None where there is none. Raises ModelError when it cannot be read."""
    try:
        status = path.stat()
        return _checksum(path, status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def fetch(name: str, *, progress: Progress | None = None, opener: Opener | None = None) -> Path:
    """Download a file into the folder, unless it is there already.

    Parameters
    ----------
    progress
        Called after each piece.
    opener
        What opens the URL; None uses the network through :mod:`urllib.request`.

    Returns
    -------
    The path of the file, whose checksum is right.

    Raises
    ------
    UnknownModelError
        The name is not among :data:`FETCHABLE`.
    ModelError
        The file cannot be downloaded or written, or what came is not the published file. Nothing is left behind.
    """
    from http.client import HTTPException  # of a connection that breaks off within a piece; it is no OSError

    file = _known(name)
    try:
        present = find(name)
    except ModelError:
        present = None  # a damaged file is replaced
    if present is not None:
        return present
    path = models_folder() / file.file_name
    by_hand = f"or download {file.url} by hand, put it into {path.parent} (or the folder that {FOLDER_VARIABLE} names)"
    try:
        new = Replacement(path)
    except OSError as error:
        raise ModelError(
            f"{path.parent}: cannot be written ({error.strerror}); name another folder in {FOLDER_VARIABLE}"
        ) from None
    try:
        with new.part.open("wb") as target, closing((opener or _network)(file.url)) as stream:
            _receive(stream, target, file, progress)
        new.complete()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(f"'{name}' cannot be fetched ({reason}); try again, {by_hand}") from None
    finally:
        new.discard()
    return path


def _known(name: str) -> RemoteFile:
    if name not in FETCHABLE:
        raise UnknownModelError(f"no file '{name}' to fetch; {suggest(name, FETCHABLE)}")
    return FETCHABLE[name]


@functools.lru_cache(maxsize=16)
def _checksum(path: Path, modified_ns: int, size: int) -> str:
    """SHA-256 of a file, computed once as long as the file does not change."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _network(url: str) -> IO[bytes]:
    from unmask.models.https import open_https

    return open_https(url)


def _receive(stream: IO[bytes], target: IO[bytes], file: RemoteFile, progress: Progress | None) -> None:
    """Copy the stream, never more than the file's size, and check what came."""
    digest = hashlib.sha256()
    received = 0
    while chunk := stream.read(_CHUNK):
        received += len(chunk)
        if received > file.size:
            break
        digest.update(chunk)
        target.write(chunk)
        if progress is not None:
            progress(received, file.size)
    if received != file.size or digest.hexdigest() != file.sha256:
        size = f"more than {file.size}" if received > file.size else str(received)
        raise ModelError(
            f"{file.url}: is not the published file '{file.name}': "
            f"expected {file.size} bytes with sha256 {file.sha256}, "
            f"{size} bytes with sha256 {digest.hexdigest()}; nothing was kept; try again later"
        )
