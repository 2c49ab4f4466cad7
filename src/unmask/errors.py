"""Everything that unmask raises on purpose about what it is given.

::

    UnmaskError
    ├── InputError             a picture, film or file that cannot be read
    │   └── LimitError         ... because it is larger than the stated limit
    ├── DataError              a data set that is not what it should be
    │   └── UnknownSplitError  a split that none of its rows carries
    ├── ModelError             a model file that is not what it should be
    │   └── UnknownModelError  a model name that nobody registered
    ├── ConfigError            a training configuration with a wrong or unknown value
    └── MissingExtraError      an optional library that is not installed

Every message says what is wrong, where, and what to do next; the command line prints it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable


class UnmaskError(Exception):
    """Base class: catch this to catch them all. Wrong use, such as writing after ``close``, is ValueError."""


class InputError(UnmaskError):
    """A source of pictures cannot be read."""


class LimitError(InputError):
    """A source is larger than the limit that keeps memory bounded."""


class DataError(UnmaskError):
    """A data set does not have the layout, values or checksum that it should have."""


class UnknownSplitError(DataError):
    """No row of a data set is of the split that was asked for."""


class ModelError(UnmaskError):
    """A model file is missing, damaged or of another format version."""


class UnknownModelError(ModelError):
    """No model, detector, network or output of a model has this name."""


class ConfigError(UnmaskError):
    """A configuration holds an unknown key or a value outside its range."""


class MissingExtraError(UnmaskError):
    """An optional library is needed and not installed."""

    def __init__(self, library: str, extra: str | None) -> None:
        """``extra`` is None of a library that no extra brings."""
        brings = library if extra is None else f"'unmask[{extra}]'"
        super().__init__(f"{library} is not installed; it comes with: pip install {brings}")


def suggest(name: str, known: Iterable[str]) -> str:
    """End of an error message that names what is known, the nearest name first.

    >>> suggest("yunett", ["mtcnn", "yunet"])
    "did you mean 'yunet'? known: mtcnn, yunet"
    """
    import difflib  # takes long to load, and most runs end without an error

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}known: {', '.join(names) or 'none'}"
