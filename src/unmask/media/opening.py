"""From single inputs to frames, with several threads if asked to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np

from unmask import images
from unmask.errors import InputError, UnmaskError
from unmask.media.base import Camera, Failure, Frame, ImageSequence, Input, Source, Stream
from unmask.media.expand import expand
from unmask.media.pipeline import ordered_map
from unmask.media.span import WHOLE, Span
from unmask.media.stdin import is_list

Out = TypeVar("Out")


def open_frame(item: Input) -> Frame | Failure:
    """The picture of one input, or why there is none. Never raises. For a film, see :func:`film_frames`."""
    content = item.content
    try:
        if item.moves:
            raise InputError(f"{item.name}: a film, not a picture of one; leave out --fps to read it")
        if isinstance(content, UnmaskError):
            return Failure(item.name, content)
        if isinstance(content, bytes):
            return Frame(images.decode(content, name=item.name), item.name)
        if isinstance(content, Path):
            return Frame(_picture(content), item.name)
        # An array lies in memory already, whatever its size.
        size = content.size if isinstance(content, np.ndarray) else images.MAX_PIXELS
        return Frame(images.as_image(content, name=item.name, max_pixels=size), item.name)
    except UnmaskError as error:
        return Failure(item.name, error)


def _picture(path: Path) -> images.Image:
    try:
        return images.load(path)
    except InputError:
        if is_list(path):
            reads = "it is read from standard input: unmask read - < LIST"
            raise InputError(f"{path}: is a list of files; {reads}") from None
        raise


def open_film(
    item: Input, span: Span = WHOLE, *, max_pixels: int = images.MAX_PIXELS
) -> Generator[Frame | Failure, None, None]:
    """Frames of one input that moves, with their times, and a Failure where it cannot be read on. Never raises."""
    # Imported here, because whoever reads a picture pays for nothing that only films need.
    content = item.content
    if isinstance(content, Camera):
        from unmask.media.camera import camera_frames

        return camera_frames(content, span)
    if isinstance(content, ImageSequence):
        from unmask.media.sequence import sequence_frames

        return sequence_frames(content, span)
    from unmask.media.film import film_frames

    assert isinstance(content, (Path, Stream))
    film = content if isinstance(content, Path) else content.address
    return film_frames(film, span, name=item.name, max_pixels=max_pixels)


def frames(
    sources: Source | Iterable[Source],
    *,
    workers: int = 1,
    skip: Callable[[str], bool] | None = None,
    span: Span = WHOLE,
) -> Iterator[Frame | Failure]:
    """Frames of many sources in their order, and a Failure in the place of what cannot be read.

    Parameters
    ----------
    sources
        See :func:`unmask.media.expand`.
    workers
        Threads that decode pictures. At most two pictures a thread are in memory beside the one that is handed out.
    skip
        Called with the name of each input before it is opened; true leaves it out.
    span
        Which frames of films.
    """
    inputs = (item for item in expand(sources) if skip is None or not skip(item.name))
    return each(inputs, still=open_frame, film=lambda item: open_film(item, span), workers=workers)


def each(
    inputs: Iterable[Input], *, still: Callable[[Input], Out], film: Callable[[Input], Iterator[Out]], workers: int
) -> Generator[Out, None, None]:
    """What ``still`` makes of each picture, by several threads, and ``film`` of what moves, one by one; in order."""
    for moves, group in groupby(inputs, key=lambda item: item.moves):
        if moves:
            for item in group:
                yield from film(item)
        else:
            yield from ordered_map(still, group, workers=workers)
