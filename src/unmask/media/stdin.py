"""Standard input: one picture, or a list of paths."""

from __future__ import annotations

import codecs
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from unmask.errors import InputError, LimitError
from unmask.images import MAX_BYTES, SIGNATURE_BYTES, picture_format
from unmask.media.base import Input

STDIN = "-"
_NAME = "<stdin>"
_MAX_LINE = 65_536  # bytes; paths are shorter, and a picture may have no line end at all


def read_stdin() -> Iterator[Input | str]:
    """The picture that comes in, or the paths, one a line, each as soon as its line is complete; no blank lines."""
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        yield _failed("there is no standard input; name files instead")
        return
    try:
        yield from _read(stream)
    except OSError as error:
        yield _failed(f"cannot be read ({error}); pipe a picture or a list of paths into it")


def _read(stream: BinaryIO) -> Iterator[Input | str]:
    head = stream.readline(_MAX_LINE)
    if _is_path(head):  # whoever writes paths may be slow: no waiting for more than a line
        yield from _paths(head, stream)
        return
    head += stream.read(max(0, SIGNATURE_BYTES - len(head)))
    if not head:
        yield _failed("zero bytes came in; pipe a picture or a list of paths into it")
    elif picture_format(head):
        data = head + stream.read(MAX_BYTES + 1 - len(head))
        too_large = f"{_NAME}: more than {MAX_BYTES:,} bytes; save the picture smaller"
        yield Input(_NAME, data if len(data) <= MAX_BYTES else LimitError(too_large))
    elif _is_path(head.partition(b"\0")[0]):
        yield _failed("its paths are divided by NUL; write one a line, as find does without -print0")
    elif b"\0" in head:
        yield _failed("neither a picture nor a list of paths; a film is read from its file: name that")
    else:
        yield from _paths(head, stream)


def is_list(path: Path) -> bool:
    """Whether the first line of a file is the path of another one."""
    try:
        with path.open("rb") as file:
            return _is_path(file.readline(_MAX_LINE))
    except OSError:
        return False


def _is_path(line: bytes) -> bool:
    try:
        text = line.decode().rstrip("\r\n")
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False


def _paths(head: bytes, stream: BinaryIO) -> Iterator[Input | str]:
    head = head.removeprefix(codecs.BOM_UTF8)
    if not head.endswith(b"\n"):
        head += stream.readline()
    for number, line in enumerate(itertools.chain(head.splitlines(), stream), 1):
        if b"\0" in line:  # a document: each of its lines would be one more error
            yield _failed(f"line {number} is binary data and no path; it and what follows are left out")
            return
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            yield _failed(f"line {number} is neither UTF-8 nor the start of a picture; write the list in UTF-8")
            continue
        if text.strip():
            yield text


def _failed(reason: str) -> Input:
    return Input(_NAME, InputError(f"{_NAME}: {reason}"))
