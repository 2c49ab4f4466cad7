"""How many inputs were read, and how many could not be, told from what comes of them."""

from __future__ import annotations

from unmask.media import Failure
from unmask.readings import Reading


class Tally:
    """Counts inputs and those that failed, wholly or from some point on.

    One input may follow itself: a picture gives one item, and the numbers of a film's frames, read or not, rise.
    """

    def __init__(self) -> None:
        self.inputs = self.failed = 0
        self._source: str | None = None
        self._index: int | None = None  # of the last frame, in a film
        self._has_failed = False

    def add(self, item: Reading | Failure) -> None:
        """Count the next item."""
        if not self._goes_on(item):
            self.inputs += 1
            self._index, self._has_failed = None, False
        self._source = item.source
        if isinstance(item, Failure):
            self.failed += not self._has_failed
            self._has_failed = True
        if (index := _index(item)) is not None:
            self._index = index

    def _goes_on(self, item: Reading | Failure) -> bool:
        """Whether it comes from the film that the last item came from."""
        if item.source != self._source or self._index is None:
            return False
        index = _index(item)
        return isinstance(item, Failure) if index is None else index > self._index


def _index(item: Reading | Failure) -> int | None:
    """The number of a film's frame; None of a picture, or of what fails as a whole."""
    return item.index if isinstance(item, Failure) or item.time_s is not None else None
