"""The options of ``unmask read`` for what moves: which frames, how they are read, and what is made of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.cli.values import file_with, whole
from unmask.errors import ConfigError, UnmaskError

if TYPE_CHECKING:
    from fractions import Fraction

    from unmask.media import Source
    from unmask.session import FilmOptions

TIMES = ("start", "end", "every")
OF_FILMS = (*TIMES, "smooth", "search_every", "summary", "timeline")


def add_film_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the verb."""
    group = parser.add_argument_group("films", "times are seconds, or h:mm:ss; see also docs/video.md")
    group.add_argument(
        "--camera", type=whole(0, 2**31 - 1), metavar="N", help="read a camera, the first is 0, until Ctrl-C or --end"
    )
    group.add_argument("--fps", metavar="RATE", help="pictures of a SOURCE are frames of one film, so many a second")
    group.add_argument("--start", metavar="TIME", help="begin there")
    group.add_argument("--end", metavar="TIME", help="end before there")
    group.add_argument("--every", metavar="SECONDS", help="read one frame of each stretch of so many seconds")
    group.add_argument(
        "--smooth", type=float, metavar="SECONDS", help="time constant that smooths the scores, 0 is off (default: 0.2)"
    )
    group.add_argument(
        "--search-every",
        type=int,
        metavar="N",
        help="search the whole picture in every Nth frame, between only where faces were (default: 5; 1 for "
        "--blur-faces)",
    )
    group.add_argument(
        "--summary", type=file_with(".json"), metavar="FILE.json", help="write what each person showed, with events"
    )
    group.add_argument("--timeline", type=Path, metavar="FILE", help="plot the scores over time, as PNG or SVG")


def film_options(arguments: argparse.Namespace) -> FilmOptions | None:
    """How films are read, where the user says anything about it: else nothing that films need is loaded."""
    times = {name: number(f"--{name}", given) for name in TIMES if (given := getattr(arguments, name)) is not None}
    search = 1 if arguments.blur_faces and arguments.search_every is None else arguments.search_every
    if not times and arguments.smooth is None and search is None:
        return None
    from unmask.media import Span
    from unmask.session import FilmOptions

    given = {"smooth_s": arguments.smooth, "search_every": search}
    try:
        return FilmOptions(
            span=Span(**{f"{name}_s": time for name, time in times.items()}),
            **{name: value for name, value in given.items() if value is not None},
        )
    except ConfigError as error:
        option, words = next((one for one in _NAMED if str(error).startswith(one[1])), ("", ""))
        raise ConfigError(option + str(error).removeprefix(words)) from None


def only_films_heed(arguments: argparse.Namespace, sources: Sequence[Source], total: int | None) -> str | None:
    """The first option given that only films heed. Raises ConfigError where it is known that there are none."""
    from unmask.media import expand

    given = next((f"--{name.replace('_', '-')}" for name in OF_FILMS if getattr(arguments, name) is not None), None)
    if given is None or total is None:  # a list from standard input, which only reading it would tell
        return given
    if not any(one.moves or isinstance(one.content, UnmaskError) for one in expand(sources)):
        raise ConfigError(f"{given} is for films, and no SOURCE is one; leave it out, or read pictures as one: --fps")
    return given


_NAMED = (("--every", "every"), ("--end", "end at"), ("--smooth", "smooth"), ("--search-every", "search every"))
"""Options, and how the library's errors about them begin."""

_LONGEST = 40  # characters of a time


def number(option: str, text: str) -> Fraction:
    """Seconds (or a rate) as an exact number, from ``90``, ``1.5``, ``30000/1001``, ``1:30`` or ``0:01:30.5``."""
    from fractions import Fraction

    try:
        # No powers of ten: they make numbers that take for ever to work out, and times that no float holds.
        parts = [Fraction(part) for part in text.split(":")] if len(text) < _LONGEST and "e" not in text.lower() else []
    except (ValueError, ZeroDivisionError):
        parts = []
    if not 1 <= len(parts) <= 3 or min(parts) < 0 or any(part >= 60 for part in parts[1:]):
        expected = "a rate such as 25 or 30000/1001" if option == "--fps" else "seconds such as 1.5, or h:mm:ss"
        raise ConfigError(f"{option} {text}: expected {expected}")
    return sum((part * 60**place for place, part in enumerate(reversed(parts))), Fraction(0))


def check_film(sources: Sequence[Source]) -> None:
    """Raises MissingExtraError when the only input is a film, and PyAV is not there to open it."""
    from unmask.media import Stream, expand

    (item,) = expand(sources)
    if item.moves and (isinstance(item.content, Stream) or (isinstance(item.content, Path) and item.content.exists())):
        from unmask.media.container import pyav

        pyav()
