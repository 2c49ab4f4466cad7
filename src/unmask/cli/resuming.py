"""How ``unmask read --resume`` goes on: what an earlier run has read, and what of it is drawn and counted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.cli.drawing import Pictures
    from unmask.media import Source
    from unmask.outputs.jsonl import EarlierRun
    from unmask.reader import Reader
    from unmask.readings import Reading
    from unmask.session import FilmOptions


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


def redo(pictures: Pictures, earlier: EarlierRun, sources: Sequence[Source], film: FilmOptions | None) -> None:
    """Count and, of the film that was cut short, draw again what an earlier run has read already."""
    from unmask.media import WHOLE, expand, open_film

    if pictures.counts:
        for reading in earlier.readings():
            if not (pictures.shows and reading.source in earlier.past):
                pictures.count(reading)
    if pictures.shows:
        for source, moves in earlier.done.items():
            pictures.pass_over(source, moves=moves)
        span = film.span if film else WHOLE
        for item in expand(sources) if earlier.past else ():
            if item.name in earlier.past:
                _redraw(pictures, open_film(item, span), earlier.readings(item.name))


def _redraw(pictures: Pictures, frames: Iterator[Any], known: Iterator[Reading]) -> None:
    """Draw frames whose readings an earlier run has written; ``known`` in the order of the frames."""
    from unmask.media import Failure

    frames = iter(frames)
    for reading in known:
        for frame in frames:
            if not isinstance(frame, Failure) and frame.index == reading.index:
                pictures.add(frame, reading)
                break
