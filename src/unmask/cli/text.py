"""Text in and out of a terminal: lists of names, tables, and what is said on standard error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from unmask.writing import printable

_WRITTEN_OUT = 3
"""So many layers of one part of a network are named one by one."""


def names(text: str | None) -> list[str]:
    """Names that commas part; none of None.

    >>> names("small, mouth hidden")
    ['small', 'mouth hidden']
    """
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def layers(names: Iterable[str]) -> str:
    """Layers of a network by their dotted names; many of one part are counted.

    >>> layers(["neck.0", "heads.fer2013", *(f"blocks.{place}.norm" for place in range(27))])
    'blocks (27 norms), heads.fer2013, neck.0'
    """
    parts = []
    for part, group in groupby(sorted(set(names)), key=lambda name: name.partition(".")[0]):
        inside = list(group)
        if len(inside) > _WRITTEN_OUT:
            ends = (name.rpartition(".")[2] for name in inside)
            kinds = Counter("layer" if end.isdecimal() else end for end in ends)
            counted = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items())
            inside = [f"{part} ({counted})"]
        parts += inside
    return ", ".join(parts)


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Lines of rows in columns; the first ``left`` columns begin, the others end, at the same place."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def counted(count: float, what: str) -> str:
    """So many of a thing, which is named in the singular."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def inert(message: object) -> str:
    r"""A message of one line or several in which no name, which may come from strangers, can act on the terminal.

    >>> print(inert("evil\x1b[2J.jpg: no picture;\ntry another"))
    evil\x1b[2J.jpg: no picture;
    try another
    """
    return "\n".join(map(printable, str(message).split("\n")))


def tell(message: object) -> None:
    """Say something on standard error."""
    print(f"unmask: {inert(message)}", file=sys.stderr, flush=True)
