"""What each person of a film showed: shares of the time, mean scores and events."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.expressions import Expression
from unmask.readings import Abstention, Reading
from unmask.timeline.course import Courses, Stretch
from unmask.timeline.events import Event, EventFinder, EventRule


@dataclass
class Person:
    """One person of a film.

    Parameters
    ----------
    id
        Its ``track_id``.
    first_s, last_s
        The first and last frame in which it was found.
    frames
        In how many it was found.
    seen_s
        Seconds in which it was found: each frame lasts until the film's next one that was read.
    named_s, withheld_s
        Seconds by named expression, and by the reason for naming none.
    events
        In the order of their ends.
    """

    id: int
    first_s: float
    last_s: float
    frames: int = 0
    seen_s: float = 0.0
    named_s: defaultdict[Expression, float] = field(default_factory=lambda: defaultdict(float))
    withheld_s: defaultdict[Abstention, float] = field(default_factory=lambda: defaultdict(float))
    events: list[Event] = field(default_factory=list)
    _score_s: NDArray[np.float64] | None = None
    _labels: tuple[Expression, ...] = ()

    @property
    def mean_scores(self) -> dict[Expression, float]:
        """Mean of each score over the time in which the person was found."""
        if self._score_s is None or self.seen_s <= 0:
            return {}
        return dict(zip(self._labels, (self._score_s / self.seen_s).tolist(), strict=True))

    def share(self, key: Expression | Abstention) -> float:
        """Share of the time in which the person was found that an expression was named, or withheld for a reason."""
        seconds = self.named_s.get(key, 0.0) if isinstance(key, Expression) else self.withheld_s.get(key, 0.0)
        return seconds / self.seen_s if self.seen_s > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "track_id": self.id,
            "frames": self.frames,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "seen_s": _rounded(self.seen_s),
            "shares": {str(label): _rounded(self.share(label)) for label in self._labels},
            "withheld": {str(reason): _rounded(self.share(reason)) for reason in self.withheld_s},
            "mean_scores": {str(label): _rounded(score) for label, score in self.mean_scores.items()},
            "events": [event.to_json() for event in self.events],
        }

    def hold(self, reading: Reading, seconds: float) -> None:
        """Count the person's face in a frame that lasts so long."""
        for face in reading.faces:
            if face.track_id == self.id:
                scores = np.array(list(face.scores.values())) * seconds
                self._score_s = scores if self._score_s is None else self._score_s + scores
                self._labels = tuple(face.scores)
                self.seen_s += seconds
                if face.expression is not None:
                    self.named_s[face.expression] += seconds
                elif face.abstained is not None:
                    self.withheld_s[face.abstained] += seconds


_ALONE_S = 0.04  # until a second frame tells how long the first is shown


class FilmSummary:
    """Takes in the readings of one film, in their order, and knows at any time what its people showed.

    Parameters
    ----------
    source
        The film.
    rule
        What makes an event; None takes the usual rule.
    """

    def __init__(self, source: str, *, rule: EventRule | None = None) -> None:
        self.source = source
        self.model = ""
        self.frames = self.empty = 0
        self.first_s = self.last_s = 0.0
        self.courses = Courses()
        self._rule = EventRule() if rule is None else rule
        self._people: dict[int, Person] = {}
        self._finders: dict[int, EventFinder] = {}
        self._held: Reading | None = None
        self._step_s = _ALONE_S

    @property
    def people(self) -> list[Person]:
        """Everybody, by number."""
        return [self._people[person] for person in sorted(self._people)]

    @property
    def frame_s(self) -> float:
        """How long a frame is shown in the mean."""
        return (self.last_s - self.first_s) / (self.frames - 1) if self.frames > 1 else _ALONE_S

    def stretches(self, person: Person, *, points: int) -> list[Stretch]:
        """The parts of a person's course between the frames that miss the person, in about so many points."""
        return self.courses.stretches(person.id, frame_s=self.frame_s, points=points)

    def add(self, reading: Reading) -> None:
        """Take in the next frame."""
        time_s, before_s = reading.time_s or 0.0, self.last_s
        if self._held is not None:
            self._step_s = max(time_s - self.last_s, 0.0)
            self._release()
        else:
            self.first_s = time_s
        self.frames, self.empty = self.frames + 1, self.empty + (not reading.faces)
        self.model, self.last_s, self._held = reading.model, time_s, reading
        for face in reading.faces:
            if face.track_id is None:
                continue
            person = self._people.setdefault(face.track_id, Person(face.track_id, time_s, time_s))
            person.frames, person.last_s = person.frames + 1, time_s
            withheld = face.expression is None
            self.courses.add(person.id, time_s, face.scores, frame=self.frames, withheld=withheld)
            finder = self._finders.setdefault(person.id, EventFinder(person.id, self._rule))
            person.events.extend(finder.add(face, time_s, before_s=before_s))

    def finish(self) -> None:
        """Count the last frame, as long as the one before it, and end the events that go on; then add no more.

        One that is alone counts for 1/25 s: how long it was shown, no reading says.
        """
        self._release()
        self._held = None
        for person, finder in self._finders.items():
            self._people[person].events.extend(finder.finish())
        self._finders.clear()

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "model": self.model,
            "frames": self.frames,
            "frames_without_a_face": self.empty,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "people": [person.to_json() for person in self.people],
        }

    def _release(self) -> None:
        if self._held is not None:
            for number in {face.track_id for face in self._held.faces if face.track_id is not None}:
                self._people[number].hold(self._held, self._step_s)


def _rounded(sum_of_floats: float) -> float:
    """Without the digits that come from adding up: millionths of a second or share."""
    return round(sum_of_floats, 6)
