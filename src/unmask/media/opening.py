"""From single inputs to frames, with several threads if asked to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from unmask import images
from unmask.errors import InputError, UnmaskError
from unmask.media.base import Failure, Frame, Input, Source
from unmask.media.expand import expand

if TYPE_CHECKING:
    from concurrent.futures import Future

FILM_SUFFIXES = frozenset((".mp4", ".mov", ".avi", ".mkv", ".webm"))

In = TypeVar("In")
Out = TypeVar("Out")


def open_frame(item: Input) -> Frame | Failure:
    """The picture of one input, or why there is none. Never raises."""
    content = item.content
    try:
        if isinstance(content, UnmaskError):
            return Failure(item.name, content)
        if isinstance(content, bytes):
            return Frame(images.decode(content, name=item.name), item.name)
        if not isinstance(content, Path):
            return Frame(images.as_image(content, name=item.name), item.name)
        if content.suffix.lower() in FILM_SUFFIXES:
            raise InputError(f"{content}: films are not read by this version yet; take single pictures from it")
        return Frame(images.load(content), item.name)
    except UnmaskError as error:
        return Failure(item.name, error)


def frames(
    sources: Source | Iterable[Source], *, workers: int = 1, skip: Callable[[str], bool] | None = None
) -> Iterator[Frame | Failure]:
    """Frames of many sources in their order, and a Failure in the place of what cannot be read.

    Parameters
    ----------
    sources
        See :func:`unmask.media.expand`.
    workers
        Threads that decode. At most two pictures a thread are in memory beside the one that is handed out.
    skip
        Called with the name of each input before it is opened; true leaves it out.
    """
    inputs = (item for item in expand(sources) if skip is None or not skip(item.name))
    return ordered_map(open_frame, inputs, workers=workers)


def ordered_map(function: Callable[[In], Out], items: Iterable[In], *, workers: int) -> Iterator[Out]:
    """``map`` by several threads: results in the order of the items, at most two items a worker in flight."""
    if workers <= 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # takes long to load, and one photograph does not need it

    with ThreadPoolExecutor(workers, thread_name_prefix="unmask") as pool:
        flight: deque[Future[Out]] = deque()
        try:
            for item in items:
                flight.append(pool.submit(function, item))
                if len(flight) >= 2 * workers:
                    yield flight.popleft().result()
            while flight:
                yield flight.popleft().result()
        finally:
            for future in flight:
                future.cancel()
