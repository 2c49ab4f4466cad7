"""Which frames of a film to read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Rational
from typing import TYPE_CHECKING

from unmask.errors import ConfigError, InputError

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a film, and how densely it is read. Times are the film's own, as ``Frame.time_s`` gives them.

    Parameters
    ----------
    start_s, end_s
        Frames from ``start_s`` on and before ``end_s``; None is the film's own start or end. Of a camera or stream,
        both count from its first frame.
    every_s
        Of each stretch of this many seconds, counted from ``start_s`` (or zero), only the first frame; None reads all.

    Raises
    ------
    ConfigError
        An end that is not after the start, a step that is not above zero, or no exact number.
    """

    start_s: Fraction | None = None
    end_s: Fraction | None = None
    every_s: Fraction | None = None

    def __post_init__(self) -> None:
        for name, value in (("start", self.start_s), ("end", self.end_s), ("every", self.every_s)):
            if value is not None and not isinstance(value, Rational):
                raise ConfigError(f"{name} {value!r}: expected seconds as an int or a fractions.Fraction")
        if self.every_s is not None and self.every_s <= 0:
            raise ConfigError(f"every {float(self.every_s)} s: expected a step above 0")
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            raise ConfigError(
                f"end at {float(self.end_s)} s: expected a time after the start, {float(self.start_s or 0)} s"
            )

    def cell(self, time_s: Fraction) -> Fraction | int:
        """Which stretch a time falls in; without ``every_s``, each time is one of its own."""
        if self.every_s is None:
            return time_s
        return (time_s - (self.start_s or 0)) // self.every_s

    def ends_by(self, time_s: Fraction | float) -> bool:
        """Whether a frame at this time, and with it the rest of the film, is behind the end."""
        return self.end_s is not None and time_s >= self.end_s

    def missed(self, name: str, last_s: Fraction | None) -> InputError:
        """The error of a film that ends before the start; ``last_s`` is the time of its last frame, where known."""
        ends = "ends" if last_s is None else f"ends at {float(last_s):.2f} s,"
        return InputError(f"{name}: {ends} before the start, {float(self.start_s or 0):g} s; choose an earlier --start")

    def due_s(self, time_s: Fraction) -> Fraction:
        """Start of the stretch after the one that a time falls in; without ``every_s``, the time itself."""
        if self.every_s is None:
            return time_s
        return (self.start_s or 0) + (self.cell(time_s) + 1) * self.every_s

    def resumed(self, time_s: float | None) -> Span:
        """The same frames from a frame's time on: the stretches stay where they were."""
        from fractions import Fraction

        if time_s is None:
            return self
        start = Fraction(time_s) - Fraction(1, 1_000_000)  # as a float it may lie behind the exact time
        if self.every_s is not None:
            start = (self.start_s or 0) + self.cell(start) * self.every_s
        return replace(self, start_s=max(start, self.start_s or start))


class Sieve:
    """Lets the frames of a span through, of each stretch the first; asked for rising times."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._last: Fraction | int | None = None

    def passes(self, time_s: Fraction) -> bool:
        """Whether to read the frame at this time."""
        if self._span.start_s is not None and time_s < self._span.start_s:
            return False
        if self._span.every_s is not None:
            cell = self._span.cell(time_s)
            if self._last is not None and cell <= self._last:
                return False
            self._last = cell
        return True


WHOLE = Span()
"""Every frame."""
