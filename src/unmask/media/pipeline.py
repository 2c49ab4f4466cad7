"""Work in other threads, in order: several pictures at a time, or one step while the next one runs."""

from __future__ import annotations

import operator
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from unmask.errors import ConfigError

if TYPE_CHECKING:
    from concurrent.futures import Future

In = TypeVar("In")
Out = TypeVar("Out")

_WAKE_S = 0.1  # how soon a thread that waits notices that nobody wants its results any more


def check_workers(workers: int) -> None:
    """Raises ConfigError for less than 1, and for what is no whole number."""
    try:
        enough = operator.index(workers) >= 1 and not isinstance(workers, bool)
    except TypeError:
        enough = False
    if not enough:
        raise ConfigError(f"workers {workers!r}: expected a whole number of at least 1")


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


def ahead(items: Iterator[Out], *, depth: int = 2) -> Generator[Out, None, None]:
    """The same items, made by a thread that works ahead: in a chain, the steps of an assembly line.

    What the iterator raises is raised here. When this one is closed, the thread stops and closes its iterator.

    Parameters
    ----------
    depth
        Items that wait at most.
    """
    line: queue.Queue[tuple[bool, Out | BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[bool, Out | BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                line.put(entry, timeout=_WAKE_S)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                if not put((True, item)):
                    break
        except BaseException as error:
            end = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        put((False, end))

    thread = threading.Thread(target=work, name="unmask-ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, item = line.get()
            if more:
                yield item  # type: ignore[misc]
            elif isinstance(item, BaseException):
                raise item
            else:
                return
    finally:
        stopped.set()
        thread.join()
