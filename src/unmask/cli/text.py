"""Text in and out of a terminal: lists of names, and tables."""

from __future__ import annotations

from collections.abc import Sequence


def names(text: str | None) -> list[str]:
    """Names that commas part; none of None.

    >>> names("small, mouth hidden")
    ['small', 'mouth hidden']
    """
    return [name.strip() for name in (text or "").split(",") if name.strip()]


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
