"""The clock of a film, which may begin anew: where films are put together, or the source of a stream starts again."""

from __future__ import annotations

from fractions import Fraction

_FALL_S = Fraction(1, 10)  # a clock that falls by more has begun anew


class Clock:
    """Makes times that never fall of a film's own: where they begin anew, they go on from those before."""

    def __init__(self) -> None:
        self.carried = Fraction(0)
        """Seconds that are added to the film's own times by now."""
        self._before: Fraction | None = None
        self._step = Fraction(0)  # between the two latest times

    def time(self, own: Fraction) -> Fraction:
        """The time of the next picture or packet, given the film's own, in seconds."""
        time_s = own + self.carried
        if self._before is not None:
            if time_s < self._before - _FALL_S:
                self.carried += self._before + self._step - time_s
                time_s = self._before + self._step
            time_s = max(time_s, self._before)
            self._step = time_s - self._before or self._step
        self._before = time_s
        return time_s

    def jump(self) -> None:
        """Take the next time as it comes: it was sought, and may lie anywhere."""
        self._before = None
