"""How ``unmask read --resume`` goes on: what an earlier run has read, and what of it is drawn and counted again."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.cli.text import tell
from unmask.errors import ConfigError, InputError

if TYPE_CHECKING:
    from unmask.cli.drawing import Pictures
    from unmask.media import Failure, Frame, Input, Source, Span
    from unmask.outputs.jsonl import EarlierRun
    from unmask.reader import Reader
    from unmask.readings import Reading
    from unmask.session import FilmOptions


_CLOSE_S = Fraction(1, 1000)  # rows tell times to the float, spans exactly


def earlier_of(path: Path, reader: Reader) -> EarlierRun:
    """What an earlier run has written to the file that this one goes on with.

    Raises
    ------
    ConfigError
        It was read with another model, or scored other labels.
    DataError
        The file holds something else than readings.
    """
    from unmask.outputs.jsonl import earlier_run

    earlier = earlier_run(path)
    earlier.check(model=reader.classifier.card.identity, labels=reader.labels)
    return earlier


def check_span(earlier: EarlierRun, film: FilmOptions | None) -> None:
    """Raises ConfigError where the file holds frames that this run's span leaves out: they would not be found again."""
    span = film.span if film else None
    if span is None or (span.start_s is None and span.end_s is None):
        return
    for reading in earlier.readings():
        time_s = reading.time_s
        if time_s is None:
            continue
        early = span.start_s is not None and time_s < span.start_s - _CLOSE_S
        if early or (span.end_s is not None and time_s > span.end_s + _CLOSE_S):
            raise ConfigError(
                f"{earlier.path}: holds a frame of {reading.source} at {time_s:g} s, which --start or --end leaves out "
                "now; use those of the first run, or name another output file"
            )


def redo(pictures: Pictures, earlier: EarlierRun, sources: Sequence[Source], film: FilmOptions | None) -> int:
    """Count and draw again what an earlier run has read already.

    A report is made anew as a whole, so that everything is drawn into it; beside it, only a film that was cut short is.

    Returns
    -------
    How many inputs cannot be shown again, because they are gone or have changed; each is reported.
    """
    from unmask.media import WHOLE, Input, expand_named

    if not (pictures.shows or pictures.counts):
        return 0
    again = {*earlier.past, *(earlier.done if pictures.reports else ())} if pictures.shows else set()
    named = {item.name: item for item in expand_named(sources)} if again else {}
    span, lost = film.span if film else WHOLE, 0
    for source, moves in earlier.done.items():
        pictures.pass_over(source, moves=moves)
    for source, known in groupby(earlier.readings(), key=attrgetter("source")):
        if source not in again:
            for reading in known:
                pictures.count(reading)
            continue
        with closing(_frames(named.get(source) or Input(source, Path(source)), span)) as frames:
            problem = _redraw(pictures, frames, known)
        if problem:
            lost += 1
            tell(message := f"{source}: was read by an earlier run and cannot be shown again; its rows stay: {problem}")
            pictures.fail(message)
    return lost


def _frames(item: Input, span: Span) -> Generator[Frame | Failure, None, None]:
    """The frames of one input, or why there are none."""
    from unmask.media import Failure, open_film, open_frame

    if item.live:
        yield Failure(item.name, InputError("it came live"))
    elif item.moves:
        yield from open_film(item, span)
    else:
        yield open_frame(item)


def _redraw(pictures: Pictures, frames: Iterator[Frame | Failure], known: Iterator[Reading]) -> str:
    """Draw frames whose readings, in their order, are known, and count those that are gone; says why they are."""
    from unmask.media import Failure

    problem, whole = "it has changed since", True
    for reading in known:
        for frame in frames:
            if isinstance(frame, Failure):
                problem = str(frame.error)
            elif frame.index == reading.index and frame.image.shape[:2] == (reading.height, reading.width):
                pictures.add(frame, reading)
                break
        else:
            whole = False
            pictures.count(reading)
    return "" if whole else problem
