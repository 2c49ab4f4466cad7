"""Who is who from frame to frame: by where a face should be by now, by its size, and by what it looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.faces.assignment import assign
from unmask.faces.base import Detection
from unmask.readings import Box

MAX_GAP_S = 2.0
"""A person who was not seen for longer than this, and for more than two frames, is forgotten.

From half a second on, only a face that looks alike is taken for the same person again.
"""

_REACH = 0.6  # how far from its expected place a face is looked for, in sides of the face, ...
_REACH_PER_S = 4.0  # ... and how much farther for each second in which it was not seen
_MAX_REACH = 6.0
_MAX_SIZE_RATIO = 1.8
_GAIN_PLACE, _GAIN_SPEED = 0.6, 0.3  # of the alpha-beta filter: the share of a surprise that goes into each
_COAST_S = 0.7  # an unseen face keeps its speed for about this long
_LOOKS = 0.35  # weight of the looks beside the place
_STRANGER = 0.25  # a correlation below this is another person, if it was out of sight
_PATCH = 16  # side of the picture that stands for the looks, in pixels
_MEMORY = 0.15  # how fast the remembered looks follow

Looks = NDArray[np.float32]
"""A face's aligned crop, small, with mean 0 and length 1: the product of two is their correlation."""


@dataclass
class Track:
    """A person as remembered: place and speed in pixels (a second), looks, and when seen last."""

    id: int
    middle: complex
    size: complex  # width + i height
    seen_s: float
    looks: Looks
    speed: complex = 0j
    frames: int = field(default=1)

    def expected(self, time_s: float) -> Box:
        """Where the face should be at a time."""
        unseen_s = max(time_s - self.seen_s, 0.0)  # a stream's clock may fall back
        middle = self.middle + self.speed * _COAST_S * (1 - math.exp(-unseen_s / _COAST_S))
        return _box(middle, self.size)

    def see(self, box: Box, looks: Looks, time_s: float) -> None:
        """Take a new sighting in."""
        middle, size = _middle(box), complex(box.width, box.height)
        step = time_s - self.seen_s
        surprise = middle - _middle(self.expected(time_s))
        if step > 0:
            # The second sighting is the first that tells a speed at all.
            gain = 1.0 if self.frames == 1 else _GAIN_SPEED
            self.speed += gain * surprise / step if step <= MAX_GAP_S else -self.speed
        self.middle = middle - (1 - _GAIN_PLACE) * surprise if self.frames > 1 else middle
        self.size += _GAIN_PLACE * (size - self.size)
        self.looks = _unit(self.looks + _MEMORY * (looks - self.looks))
        self.seen_s, self.frames = time_s, self.frames + 1


class Tracker:
    """Gives each face of a film the number of its person.

    Each person has an expected place, from an alpha-beta filter (a Kalman filter of constant gain) that takes the true
    time between frames, so that a variable rate and left-out frames do not matter. People and faces are paired so
    that the sum of their likeness is largest: how near the face lies to the expected place, in sides of the face and
    within a reach that grows while nobody is seen, and how well the aligned crops correlate. A face that nobody
    pairs with is a new person. Numbers count from 1 and are never given twice.
    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._next_id = 1
        self._step_s = 0.0
        self._time_s: float | None = None

    def update(
        self,
        detections: Sequence[Detection],
        crops: NDArray[np.uint8],
        time_s: float,
        *,
        known: Sequence[int] | None = None,
    ) -> list[int]:
        """Numbers of the people that the faces of the next frame belong to.

        Parameters
        ----------
        detections
            The faces.
        crops
            The same faces as :func:`unmask.faces.crop` cuts them, ``uint8 (N, S, S)``.
        time_s
            Of the frame, in seconds. After a fall of more than the longest gap, all are forgotten.
        known
            The numbers, where an earlier run has given them already.
        """
        self._forget(time_s)
        looks = [_looks(crop) for crop in crops]
        owners: dict[int, Track] = {}
        if known is None:
            gains = np.array([[self._gain(t, d, k, time_s) for d, k in zip(detections, looks, strict=True)]
                              for t in self.tracks]).reshape(len(self.tracks), len(detections))  # fmt: skip
            owners = {face: self.tracks[number] for number, face in assign(gains)}
        else:
            by_id = {track.id: track for track in self.tracks}
            owners = {face: by_id[one] for face, one in enumerate(known) if one in by_id}
        ids = []
        for face, (detection, look) in enumerate(zip(detections, looks, strict=True)):
            if face in owners:
                owners[face].see(detection.box, look, time_s)
                ids.append(owners[face].id)
            else:
                ids.append(self._meet(detection.box, look, time_s, None if known is None else known[face]))
        return ids

    def reserve(self, highest_id: int) -> None:
        """Give no number up to this one to anybody new: an earlier part of the film has given them."""
        self._next_id = max(self._next_id, highest_id + 1)

    def _meet(self, box: Box, looks: Looks, time_s: float, known: int | None) -> int:
        number = self._next_id if known is None else known
        self.reserve(number)
        self.tracks.append(Track(number, _middle(box), complex(box.width, box.height), time_s, looks))
        return number

    def _forget(self, time_s: float) -> None:
        if self._time_s is not None:
            self._step_s = max(time_s - self._time_s, 0.0)
        self._time_s = time_s
        longest = max(MAX_GAP_S, 2.5 * self._step_s)
        self.tracks = [track for track in self.tracks if abs(time_s - track.seen_s) <= longest]

    def _gain(self, track: Track, detection: Detection, looks: Looks, time_s: float) -> float:
        """How much speaks for a face being a person: above 0 to 1, or 0 where it cannot be."""
        box, expected = detection.box, track.expected(time_s)
        side = math.sqrt(expected.side * box.side)
        ratio = max(expected.side, box.side) / min(expected.side, box.side)
        gap = max(time_s - track.seen_s, 0.0)
        reach = min(_REACH + _REACH_PER_S * gap, _MAX_REACH)
        away = abs(_middle(box) - _middle(expected)) / side / reach
        alike = float(track.looks.ravel() @ looks.ravel())
        unseen = gap > max(0.5, 1.5 * self._step_s)
        if away >= 1 or ratio > _MAX_SIZE_RATIO * (1 + gap) or (unseen and alike < _STRANGER):
            return 0.0
        return (1 - _LOOKS) * (1 - away) + _LOOKS * max(alike, 0.0) + 1e-9


def _looks(crop: NDArray[np.uint8]) -> Looks:
    small = cv2.resize(crop, (_PATCH, _PATCH), interpolation=cv2.INTER_AREA).astype(np.float32)
    return _unit(small - small.mean())


def _unit(pixels: NDArray[np.float32]) -> Looks:
    length = float(np.linalg.norm(pixels))
    unit: Looks = (pixels / length if length > 0 else pixels).astype(np.float32)
    return unit


def _middle(box: Box) -> complex:
    return complex(box.x1 + box.x2, box.y1 + box.y2) / 2


def _box(middle: complex, size: complex) -> Box:
    corner = middle - size / 2
    return Box(corner.real, corner.imag, corner.real + size.real, corner.imag + size.imag)
