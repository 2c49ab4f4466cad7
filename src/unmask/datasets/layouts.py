"""The registry of layouts: how a file or folder is recognised, and what reads it.

A layout of one's own takes a function that recognises it and one that reads it; see :func:`register_layout`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, DataError, InputError, suggest
from unmask.expressions import Taxonomy

DEFAULT_SIZE = 48
"""Side in pixels to which pictures are brought that come as files: FER2013's."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What a caller may ask of any layout; one that has no use for an option ignores it.

    Parameters
    ----------
    size
        Side of the crops in pixels; None takes what the layout stores, or 48 where it stores pictures of any size.
    skip_bad
        Leave out what is damaged and list it in ``left_out``, instead of stopping at it.
    taxonomy
        Meaning of labels that are numbers, and the label set to use for words; None lets the layout decide.
    cache
        Whether a parsed file may be kept in the user's cache folder, and taken from there.
    """

    size: int | None = None
    skip_bad: bool = False
    taxonomy: Taxonomy | None = None
    cache: bool = True

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 4096:
            raise ConfigError(f"size {self.size}: expected 1 to 4096 pixels")

    @property
    def picture_size(self) -> int:
        """Side to which picture files are brought."""
        return self.size or DEFAULT_SIZE


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a data set lies on disk.

    Parameters
    ----------
    name
        What it is called on the command line.
    what
        What it looks like, in a few words.
    sniff
        Whether a path looks like it, judged quickly; does not raise for paths that exist.
    load
        Reads it. Raises InputError or DataError, naming the file, the row and what was expected.
    """

    name: str
    what: str
    sniff: Callable[[Path], bool]
    load: Callable[[Path, LoadOptions], FaceDataset]


_LAYOUTS: dict[str, Layout] = {}


def register_layout(layout: Layout) -> None:
    """Make a layout known; it is tried after those that are registered already.

    Raises
    ------
    ValueError
        The name is taken.

    ``docs/datasets.md`` shows a layout of one's own in less than 20 lines.
    """
    if layout.name in _LAYOUTS:
        raise ValueError(f"a layout named '{layout.name}' is registered already")
    _LAYOUTS[layout.name] = layout


def layout_names() -> list[str]:
    """Every registered name, in the order in which they are tried."""
    return list(_LAYOUTS)


def layout_named(name: str) -> Layout:
    """The registered layout of this name. Raises ConfigError with the known names otherwise."""
    try:
        return _LAYOUTS[name]
    except KeyError:
        raise ConfigError(f"unknown layout '{name}'; {suggest(name, _LAYOUTS)}") from None


def find_layout(path: Path) -> tuple[Layout, Path]:
    """The layout of a file or folder, and where in it the data set lies.

    A folder that is no data set itself and holds exactly one, as downloads do, stands for that one.

    Raises
    ------
    InputError
        There is nothing at the path.
    DataError
        No layout, or more than one place in the folder, fits; the message says what is known.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if layout := _sniff(path):
        return layout, path
    inside = [(found, child) for child in _children(path) if (found := _sniff(child))]
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(child.name for _, child in inside)
        raise DataError(f"{path}: holds several data sets ({names}); name one of them")
    known = "\n".join(f"  {layout.name}: {layout.what}" for layout in _LAYOUTS.values())
    raise DataError(
        f"{path}: no layout that unmask knows; it knows\n{known}\n"
        "FER+'s votes are no data set; give them beside FER2013 with --ferplus. Name a layout with --layout to see "
        "what is missing, or register your own (unmask.datasets.register_layout)"
    )


def _sniff(path: Path) -> Layout | None:
    return next((layout for layout in _LAYOUTS.values() if layout.sniff(path)), None)


def _children(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir()) if path.is_dir() else []
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror}); check its permissions") from None
