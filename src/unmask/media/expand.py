"""From what the user names to single inputs, in order, one at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from unmask.errors import InputError
from unmask.images import PICTURE_SUFFIXES
from unmask.media.base import FILM_SUFFIXES, Camera, ImageSequence, Input, Source, Stream
from unmask.media.stdin import STDIN, read_stdin

_SINGLE = (str, Path, bytes, np.ndarray, Camera, Stream, ImageSequence)


def expand(sources: Source | Iterable[Source]) -> Iterator[Input]:
    """Single inputs in the order of the sources, found as they are asked for.

    A folder gives the pictures in it and in its folders, in natural order (``2.jpg`` before ``10.jpg``); what is hidden
    is left out, and no folder is gone through twice, however many links lead to it. A text that names no file is a glob
    if it holds one of ``*?[``, where ``**`` stands for any folders; it gives all files that it matches and that are not
    hidden. ``-`` is standard input: one picture, or a list of paths, one a line, which are expanded while they come in.
    A text with a protocol, such as ``rtsp://``, is the address of a stream, though not in such a list.
    What cannot be expanded gives an input that holds the error.

    Parameters
    ----------
    sources
        Paths, globs, addresses, ``-``, bytes of pictures, arrays, cameras and image sequences, or one of these.
    """
    for number, source in enumerate(_several(sources)):
        yield from _expand_one(number, source)


def expand_named(sources: Source | Iterable[Source]) -> Iterator[Input]:
    """What :func:`expand` gives for all sources but standard input, which can be read once only."""
    return expand(source for source in _several(sources) if not _is_stdin(source))


def count(sources: Source | Iterable[Source]) -> int | None:
    """How many inputs the sources expand to; None where only reading standard input would tell."""
    several = list(_several(sources))
    if any(map(_is_stdin, several)):
        return None
    return sum(1 for _ in expand(several))


def _is_stdin(source: object) -> bool:
    return isinstance(source, str) and source == STDIN


def _several(sources: Source | Iterable[Source]) -> Iterable[Source]:
    # A text, an array, bytes and an open file can be gone through too, and would fall into letters, rows and lines.
    is_one = isinstance(sources, (bytearray, memoryview)) or hasattr(sources, "read")
    if is_one or isinstance(sources, _SINGLE) or not isinstance(sources, Iterable):
        return [sources]  # type: ignore[list-item] # one of another kind: it is named in the error
    return sources


def _expand_one(number: int, source: object) -> Iterator[Input]:
    if isinstance(source, bytes):
        yield Input(f"<bytes {number}>", source)
    elif isinstance(source, np.ndarray):
        yield Input(f"<array {number}>", source)
    elif _is_stdin(source):
        for item in read_stdin():
            yield from _expand_path(item) if isinstance(item, str) else (item,)
    elif isinstance(source, Camera):
        yield Input(f"<camera {source.number}>", source)
    elif isinstance(source, ImageSequence):
        yield Input(source.source, source)
    elif isinstance(source, Stream):
        yield Input(_without_password(source.address), source)
    elif isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source):
        yield Input(_without_password(source), Stream(source))
    elif isinstance(source, (str, Path)):
        yield from _expand_path(str(source))
    else:
        yield _failed(
            f"<source {number}>", f"expected a path, bytes or array, got {type(source).__name__}; {_converted(source)}"
        )


def _without_password(address: str) -> str:
    """An address as results and messages name it."""
    return re.sub(r"(?<=://)([^/:@]*):[^/]*@", r"\1:***@", address)


def _converted(source: object) -> str:
    """How to make something out of a source of another kind."""
    if hasattr(source, "read"):
        return "give its bytes: .read() of a file opened with 'rb'"
    if isinstance(source, (bytearray, memoryview)):
        return "give bytes(source)"
    return "give numpy.asarray(picture)" if hasattr(source, "__array_interface__") else "name a file, or load it"


def _expand_path(text: str) -> Iterator[Input]:
    path = Path(text)
    try:
        if not text:  # would stand for the current folder
            yield _failed("''", "an empty path; name a file or folder, . for the current one")
        elif path.is_dir():
            yield from _pictures_in(path)
        elif not re.search(r"[*?[]", text) or path.exists():
            yield Input(str(path), path)
        else:
            yield from _matches(text)
    except OSError as error:
        step = "change its permissions" if isinstance(error, PermissionError) else "check the path"
        yield _failed(text, f"cannot be read ({error.strerror}); {step}")


def _pictures_in(folder: Path) -> Iterator[Input]:
    nothing = True
    for item in _walk(folder):
        nothing = False
        yield item
    if nothing:
        endings = " ".join(sorted(PICTURE_SUFFIXES))
        yield _failed(str(folder), f"no pictures in this folder; looked for {endings}; films are named one by one")


def films_in(folder: Path) -> list[Path]:
    """The films in a folder and in its folders, which :func:`expand` leaves out."""
    return [one.content for one in _walk(folder, FILM_SUFFIXES) if isinstance(one.content, Path)]


def _walk(top: Path, suffixes: frozenset[str] = PICTURE_SUFFIXES) -> Iterator[Input]:
    """Files of such endings below a folder, and a failure for each folder that cannot be listed."""
    waiting = [(top, True)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield Input(str(path), path)
            continue
        try:
            status = path.stat()
            identity = status.st_dev, status.st_ino
            if identity in seen and status.st_ino:  # some file systems number nothing
                continue
            seen.add(identity)
            with os.scandir(path) as entries:
                found = [(path / e.name, _is_folder(e)) for e in entries if not e.name.startswith(".")]
        except OSError as error:
            yield _failed(str(path), f"cannot be listed ({error.strerror}); change its permissions, or leave it out")
            continue
        wanted = [entry for entry in found if entry[1] or entry[0].suffix.lower() in suffixes]
        waiting.extend(sorted(wanted, key=lambda entry: natural_key(entry[0].name), reverse=True))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _matches(pattern: str) -> Iterator[Input]:
    parts = Path(pattern).parts
    first = next(number for number, part in enumerate(parts) if re.search(r"[*?[]", part))
    base, rest = Path(*parts[:first]), parts[first:]
    wants_hidden = any(part.startswith(".") for part in rest)

    def is_wanted(path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
        return (wants_hidden or not hidden) and path.is_file()

    try:
        found = sorted({path for path in base.glob(str(Path(*rest))) if is_wanted(path)}, key=natural_key)
    except ValueError as error:
        yield _failed(pattern, f"not a pattern ({error}); write ** alone between slashes")
        return
    for path in found:
        yield Input(str(path), path)
    if not found:
        yield _failed(pattern, "no such file, and as a pattern it matches none; check it, and where it starts from")


def natural_key(name: str | Path) -> Any:
    """Key to sort names as people do: numbers by value, letters without case.

    >>> sorted(["b10.jpg", "b2.jpg", "A.jpg"], key=natural_key)
    ['A.jpg', 'b2.jpg', 'b10.jpg']
    """
    # Split at digits, text and numbers take turns, so that like is compared with like.
    split = [re.split(r"([0-9]+)", part) for part in Path(name).parts]
    return [[int(p) if i % 2 else p.casefold() for i, p in enumerate(parts)] for parts in split], str(name)


def _failed(name: str, reason: str) -> Input:
    return Input(name, InputError(f"{name}: {reason}"))
