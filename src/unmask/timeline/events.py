"""Events: from when to when a person showed an expression, and when most clearly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unmask.errors import ConfigError
from unmask.expressions import Expression
from unmask.readings import Abstention, Face

UNRELIABLE = frozenset((Abstention.TOO_SMALL, Abstention.BLURRED, Abstention.TURNED_AWAY))
"""Who is seen so badly counts as not seen."""

_SLACK_S = 1e-6  # differences of times that floats cannot hold exactly


@dataclass(frozen=True, slots=True)
class Event:
    """One person's expression over time, in seconds of the film.

    Parameters
    ----------
    person
        Its ``track_id``.
    expression
        Which; never neutral, which is where events begin and end.
    onset_s, peak_s, offset_s
        The first frame, the one with the highest score, and the last one.
    peak_score
        The score at the peak.
    """

    person: int
    expression: Expression
    onset_s: float
    peak_s: float
    offset_s: float
    peak_score: float

    @property
    def duration_s(self) -> float:
        return self.offset_s - self.onset_s

    def to_json(self) -> dict[str, Any]:
        return {
            "expression": str(self.expression),
            "onset_s": self.onset_s,
            "peak_s": self.peak_s,
            "offset_s": self.offset_s,
            "peak_score": self.peak_score,
        }


@dataclass(frozen=True, slots=True)
class EventRule:
    """What makes an event.

    Parameters
    ----------
    enter, leave
        Two levels, so that a score that trembles about one makes one event, not many: an event lasts as long as the
        score stays at ``leave`` or above, and counts if it reaches ``enter``.
    least_s
        A shorter one does not count.
    gap_s
        An event ends when the person is not seen for longer. Between two frames in a row that show the person nothing
        is known to be missing, however far apart they are.

    Raises
    ------
    ConfigError
        Levels that are not 0 < leave <= enter <= 1, or a negative time.
    """

    enter: float = 0.5
    leave: float = 0.35
    least_s: float = 0.2
    gap_s: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.leave <= self.enter <= 1:
            raise ConfigError(f"events: expected 0 < leave <= enter <= 1, got {self.leave} and {self.enter}")
        if self.least_s < 0 or self.gap_s < 0:
            raise ConfigError(f"events: expected times of at least 0, got {self.least_s} and {self.gap_s}")


@dataclass
class _Run:
    """A stretch in which a score is at ``leave`` or above."""

    onset_s: float
    peak_s: float
    last_s: float
    peak: float


class EventFinder:
    """Finds one person's events while its faces come in, in the order of time."""

    def __init__(self, person: int, rule: EventRule | None = None) -> None:
        self._person = person
        self._rule = EventRule() if rule is None else rule
        self._runs: dict[Expression, _Run] = {}
        self._last_s: float | None = None

    def add(self, face: Face, time_s: float, *, before_s: float) -> Iterator[Event]:
        """Events that end before this frame; ``before_s`` is the time of the frame before it, whoever that shows."""
        if face.abstained in UNRELIABLE:
            return
        missed = self._last_s is not None and self._last_s < before_s
        if self._last_s is not None and missed and time_s - self._last_s > self._rule.gap_s + _SLACK_S:
            yield from self.finish()
        self._last_s = time_s
        yield from self._step(face.scores, time_s)

    def finish(self) -> Iterator[Event]:
        """Events that have not ended yet: they end with the last frame in which the person was seen."""
        for expression in list(self._runs):
            yield from self._end(expression)

    def _step(self, scores: Mapping[Expression, float], time_s: float) -> Iterator[Event]:
        for expression, score in scores.items():
            if expression == Expression.NEUTRAL:
                continue
            run = self._runs.get(expression)
            if score < self._rule.leave:
                yield from self._end(expression)
            elif run is None:
                self._runs[expression] = _Run(time_s, time_s, time_s, score)
            else:
                run.last_s = time_s
                if score > run.peak:
                    run.peak, run.peak_s = score, time_s

    def _end(self, expression: Expression) -> Iterator[Event]:
        run = self._runs.pop(expression, None)
        if run is None or run.peak < self._rule.enter:
            return
        if run.last_s - run.onset_s >= self._rule.least_s - _SLACK_S:
            yield Event(self._person, expression, run.onset_s, run.peak_s, run.last_s, run.peak)
