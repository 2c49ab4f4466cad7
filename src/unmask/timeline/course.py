"""Scores over time, thinned out so that a film of any length fits."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unmask.expressions import Expression

BUDGET = 20_000
"""Points that are kept of all people together; beyond it, neighbours are merged in pairs."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a course over which the person is seen without a break.

    Parameters
    ----------
    times
        ``(N,)``, in seconds.
    scores
        ``(N, C)``.
    withheld
        ``(N,)``, the share of each point's frames in which no expression was named.
    end_s
        Until when the last point is shown.
    """

    times: NDArray[np.float64]
    scores: NDArray[np.float64]
    withheld: NDArray[np.float64]
    end_s: float

    def corners(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times ``(N + 1,)`` and scores ``(N + 1, C)`` as they are drawn: the last point once more, at its end."""
        return np.append(self.times, self.end_s), np.vstack([self.scores, self.scores[-1:]])

    def withheld_spans(self) -> list[tuple[float, float]]:
        """From when to when no expression was named in half of the frames or more."""
        steps = np.diff(np.concatenate([[0], self.withheld >= 0.5, [0]]).astype(int))
        edges = np.append(self.times, self.end_s)
        return list(zip(edges[steps == 1].tolist(), edges[steps == -1].tolist(), strict=True))


@dataclass
class _Points:
    """One person's points: time, withheld names and scores as sums over the frames that each stands for.

    In few blocks of memory: thousands of little arrays, each made beside a frame that goes again, would leave holes of
    a frame's size.
    """

    sums: array[float] = field(default_factory=lambda: array("d"))  # of each: time, 1 where no name, scores
    counts: array[int] = field(default_factory=lambda: array("q"))
    firsts: array[int] = field(default_factory=lambda: array("q"))  # number of the first frame of each
    lasts: array[int] = field(default_factory=lambda: array("q"))

    def rows(self) -> NDArray[np.float64]:
        """The sums ``(N, 2 + C)``, a copy."""
        return np.array(self.sums).reshape(len(self.counts), -1)

    def begins(self, gap: int) -> NDArray[np.bool_]:
        """The first point, and those before which the person was missing in ``gap`` frames or more; ``(N,)``."""
        return np.append(True, np.array(self.firsts)[1:] - np.array(self.lasts)[:-1] > gap)

    def merged(self, together: int, gap: int) -> _Points:
        """Points that stand for ``together`` neighbours each, over gaps of less than ``gap`` frames only."""
        places = np.arange(len(self.counts))
        begin = np.maximum.accumulate(np.where(self.begins(gap), places, 0))
        heads = np.flatnonzero((places - begin) % together == 0)
        return _Points(
            array("d", np.add.reduceat(self.rows(), heads, axis=0).ravel()),
            array("q", np.add.reduceat(np.array(self.counts), heads)),
            array("q", np.array(self.firsts)[heads]),
            array("q", np.array(self.lasts)[np.append(heads[1:], len(places)) - 1]),
        )


class Courses:
    """The course of every person's scores in one film: every frame at first, means of 2, 4, 8 frames as it grows.

    Gaps of fewer frames than a point stands for are bridged.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.frames_per_point = 1
        self._budget = budget
        self._people: dict[int, _Points] = {}
        self._labels: tuple[Expression, ...] = ()
        self._size = 0

    @property
    def labels(self) -> tuple[Expression, ...]:
        """The order of the scores."""
        return self._labels

    def add(
        self, person: int, time_s: float, scores: Mapping[Expression, float], *, frame: int, withheld: bool = False
    ) -> None:
        """Take in one face, in the frame of this number among those that were read; whether no expression is named."""
        self._labels = self._labels or tuple(scores)
        points = self._people.setdefault(person, _Points())
        row = (time_s, float(withheld), *scores.values())
        most = self.frames_per_point
        if points.counts and points.counts[-1] < most and frame - points.lasts[-1] <= most:
            for place, value in enumerate(row, len(points.sums) - len(row)):
                points.sums[place] += value
            points.counts[-1] += 1
            points.lasts[-1] = frame
        else:
            points.sums.extend(row)
            points.counts.append(1)
            points.firsts.append(frame)
            points.lasts.append(frame)
            self._size += 1
        # People who came for a moment keep one point each, so the budget cannot always be held: doubling must end.
        if self._size > max(self._budget, 4 * len(self._people)):
            self._thin()

    def stretches(self, person: int, *, frame_s: float, points: int = BUDGET) -> list[Stretch]:
        """The parts of a person's course between the gaps.

        Parameters
        ----------
        person
            Its ``track_id``.
        frame_s
            How long a frame is shown.
        points
            About how many there may be of them all; gaps that are too short for such points to show are bridged.
        """
        course, gap = self._people[person], self.frames_per_point
        together = -(-len(course.counts) // points)
        if together > 1:
            gap *= together
            course = course.merged(together, gap)
        rows = course.rows() / np.array(course.counts)[:, None]
        breaks = [*np.flatnonzero(course.begins(gap)).tolist(), len(rows)]
        # The end of one is the next one's beginning at the latest, at a rate that varies.
        ends = [rows[end, 0] if end < len(rows) else np.inf for end in breaks[1:]]
        return [
            Stretch(part[:, 0], part[:, 2:], part[:, 1], float(min(part[-1, 0] + frame_s, end)))
            for part, end in zip((rows[start:end] for start, end in pairwise(breaks)), ends, strict=True)
        ]

    def _thin(self) -> None:
        self.frames_per_point *= 2
        self._people = {person: points.merged(2, self.frames_per_point) for person, points in self._people.items()}
        self._size = sum(len(points.counts) for points in self._people.values())
