"""What everything that writes for people or files needs: errors in words, and text that cannot act."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from unmask.errors import InputError

_UNSAFE = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
"""Unicode's control, format (bidirectional overrides), surrogate, unassigned, line and paragraph separator."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def printable(text: str) -> str:
    r"""Text for a terminal or page: control, invisible and undecodable characters escaped, so that none can act.

    >>> print(printable("a\nb\x1b[31m.jpg"))
    a\nb\x1b[31m.jpg
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSAFE else char for char in text
    )


def encodable(text: str, encoding: str = "utf-8") -> str:
    """The text if the encoding has all of it, else with JSON escapes for everything that is not ASCII."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
    return text


def hundredths(share: float, places: int = 0) -> str:
    """A share in percent, without the sign; only what is 100 stands as 100: ``0.914`` is ``91``, ``0.9992`` is ``>99``.

    ``places`` behind the point.
    """
    shown = f"{100 * share:.{places}f}"
    # A share that is a sum may miss 1 by what floats cannot hold.
    return f">{100 - 10**-places:.{places}f}" if float(shown) == 100 and share < 1 - 1e-6 else shown


def percent(share: float, places: int = 0) -> str:
    """:func:`hundredths` with the sign: ``0.914`` is ``91 %``."""
    return f"{hundredths(share, places)} %"


class Closing(ABC):
    """A context manager that closes itself, also after an error or an interruption."""

    @abstractmethod
    def close(self) -> None:
        """Complete what was begun; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def disk_errors(where: Path | str) -> Iterator[None]:
    """Restate the system's errors as InputError naming ``where``.

    BrokenPipeError passes: a reader that has seen enough (``| head``) is no failure, and the command line ends quietly.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{where}: cannot be written: {reason}; {remedy(error.errno)}") from error


def refuse_folder(path: Path) -> None:
    """Raises InputError when a folder stands where a file is to be written, before anything is made for it."""
    with disk_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def remedy(code: int | None) -> str:
    """What to do about an error of the system, given its number, when something cannot be written."""
    return "free some space or choose another place" if code in _FULL else "choose another place"


class Replacement:
    """What is to stand in a file's place when it is complete, and not before.

    It is written to ``part``, a new file beside the old one, or beside that to which a link leads; the link stays, and
    so do the old one's permissions. What is no file, such as a device or a pipe, is not replaced: there ``part`` is the
    path itself.

    Raises
    ------
    OSError
        The new file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.part = self._target = path
        there = path.exists()
        if there and not path.is_file():
            return
        self._target = Path(os.path.realpath(path))
        self._target.parent.mkdir(parents=True, exist_ok=True)
        # Of a name that nobody else has, and, as a new file, of the permissions that any other would get.
        self.part = self._target.with_name(f"unmask-{os.urandom(8).hex()}.part")
        self.part.touch(0o600 if there else 0o666, exist_ok=False)
        self._mode = stat.S_IMODE((self._target if there else self.part).stat().st_mode)

    def complete(self) -> None:
        """Let the new file, which is closed, take its place. Raises OSError."""
        if self.part != self._target:
            self.part.chmod(self._mode)
            self.part.replace(self._target)

    def discard(self) -> None:
        """Remove the new file, unless it has taken its place."""
        if self.part != self._target:
            self.part.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The ``part`` of a :class:`Replacement`, which is complete when the block ends without an error."""
    new = Replacement(path)
    try:
        yield new.part
        new.complete()
    finally:
        new.discard()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Where to write what a new folder is to hold; it stands at ``path`` when the block ends without an error.

    Until then it lies hidden in that folder, where nobody takes a part for the whole.

    Raises
    ------
    InputError
        The folder holds something already, or cannot be made.
    """
    with disk_errors(path):
        taken = next(path.iterdir(), None) if path.is_dir() else None
        if taken is not None:
            left = f" (an earlier run has left {taken.name})" if taken.name.startswith(".unmask-") else ""
            raise InputError(f"{path}: is not empty{left}; name another folder")
        made = [folder for folder in (path, *path.parents) if not folder.exists()]  # the lowest first
        part = path / f".unmask-{os.urandom(8).hex()}.part"
        part.mkdir(parents=True)
    try:
        yield part
        with disk_errors(path):
            for entry in sorted(part.iterdir()):
                entry.rename(path / entry.name)
            part.rmdir()
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # somebody has put something there meanwhile
            for folder in made:
                folder.rmdir()
        if isinstance(error, InputError):  # about a file in the hidden folder, which nobody knows of
            raise InputError(str(error).replace(str(part), str(path))) from error
        raise


def try_file(path: Path | None) -> None:
    """See whether a file can be written, before the work whose result it is to hold; leaves nothing behind.

    Raises
    ------
    InputError
        It cannot.
    """
    if path is not None:
        refuse_folder(path)
        with disk_errors(path):
            missing = [folder for folder in path.parents if not folder.exists()]
            Replacement(path).discard()
            for folder in missing:  # the lowest first
                folder.rmdir()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, replacing what stood there only when the new one is complete.

    Raises
    ------
    InputError
        The file cannot be written; what stood there stays.
    """
    data = encodable(content).encode("utf-8") if isinstance(content, str) else content
    with disk_errors(path), replacing(path) as part:
        part.write_bytes(data)
