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


@dataclass
class _Points:
    """One person's points: time and scores as sums over the frames that each stands for.

    In one block of memory: thousands of little arrays, each made beside a frame that goes again, would leave holes of a
    frame's size.
    """

    sums: array[float] = field(default_factory=lambda: array("d"))  # of each point the time, then the scores
    counts: array[int] = field(default_factory=lambda: array("q"))

    def rows(self) -> NDArray[np.float64]:
        """The sums ``(N, 1 + C)``, a copy."""
        return np.array(self.sums).reshape(len(self.counts), -1)


class Courses:
    """The course of every person's scores in one film: every frame at first, means of 2, 4, 8 frames as it grows."""

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

    def add(self, person: int, time_s: float, scores: Mapping[Expression, float]) -> None:
        """Take in one face."""
        self._labels = self._labels or tuple(scores)
        points = self._people.setdefault(person, _Points())
        row = (time_s, *scores.values())
        if points.counts and points.counts[-1] < self.frames_per_point:
            for place, value in enumerate(row, len(points.sums) - len(row)):
                points.sums[place] += value
            points.counts[-1] += 1
        else:
            points.sums.extend(row)
            points.counts.append(1)
            self._size += 1
        # People who came for a moment keep one point each, so the budget cannot always be held: doubling must end.
        if self._size > max(self._budget, 4 * len(self._people)):
            self._thin()

    def of(self, person: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times ``(N,)`` in seconds and scores ``(N, C)`` of a person."""
        points = self._people[person]
        rows = points.rows() / np.array(points.counts)[:, None]
        return rows[:, 0], rows[:, 1:]

    def stretches(self, person: int, *, gap_s: float) -> list[slice]:
        """The parts of a person's course without a gap longer than ``gap_s`` (and three times the usual step)."""
        times, _ = self.of(person)
        steps = np.diff(times)
        longest = max(gap_s, 3 * float(np.median(steps)) if len(steps) else 0.0)
        breaks = [0, *(np.flatnonzero(steps > longest) + 1).tolist(), len(times)]
        return [slice(start, end) for start, end in pairwise(breaks)]

    def _thin(self) -> None:
        self.frames_per_point *= 2
        self._size = 0
        for points in self._people.values():
            pairs = np.arange(0, len(points.counts), 2)
            points.sums = array("d", np.add.reduceat(points.rows(), pairs, axis=0).ravel())
            points.counts = array("q", np.add.reduceat(np.array(points.counts), pairs))
            self._size += len(points.counts)
