"""Values of options, checked while the command line is read; what is wrong ends with exit code 2."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

MOST_THREADS = 1024
"""More threads than any machine has cores."""


def whole(least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """A type of argparse: whole numbers from ``least`` to ``most``, or without an end.

    >>> whole(1)("12")
    12
    """
    wanted = f"of at least {least}" if most is None else f"from {least} to {most}"

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise ArgumentTypeError(f"expected a whole number {wanted}, got '{text}'")
        return value

    return number


def file_with(*endings: str) -> Callable[[str], Path]:
    """A type of argparse: a file with one of these endings, in small or capital letters.

    >>> file_with(".png")("views.PNG").name
    'views.PNG'
    """

    def file(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in endings:
            raise ArgumentTypeError(f"expected a file that ends in {' or '.join(endings)}, got '{text}'")
        return path

    return file
