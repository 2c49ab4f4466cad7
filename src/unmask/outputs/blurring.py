"""Faces made unrecognisable in everything that is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import LimitError
from unmask.media import Frame
from unmask.readings import Box, Reading

MARGIN = 0.35
"""How far the blur reaches beyond a face's box on each side, as a share of the side: over hair and ears."""

CELLS = 6
"""A face is reduced to this many cells a side: the average colours of its parts, and nothing that tells who it is."""

BRIDGE_S = 0.5
"""A film's face is blurred for this long before it is first found and after it is last found, where it was found."""

PLAIN_BYTES = 256 * 2**20
"""Of frames that wait as they are for the faces of those after them: 43 of 1920 x 1080. Others are compressed."""

MAX_WAITING_BYTES = 2 * 2**30
"""What waits compressed at most: half a second of some 1,000 frames a second of 1920 x 1080 pixels."""


def blur(image: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A copy of a picture, ``uint8`` RGB ``(H, W, 3)`` or grey ``(H, W)``, blurred in and around boxes."""
    blurred = image.copy()
    height, width = image.shape[:2]
    for box in boxes:
        wide, high = MARGIN * box.width, MARGIN * box.height
        x1, x2 = (round(min(max(x, 0), width)) for x in (box.x1 - wide, box.x2 + wide))
        y1, y2 = (round(min(max(y, 0), height)) for y in (box.y1 - high, box.y2 + high))
        if x2 > x1 and y2 > y1:
            cells = cv2.resize(blurred[y1:y2, x1:x2], (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            blurred[y1:y2, x1:x2] = cv2.resize(cells, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    return blurred


class Blurrer:
    """Blurs the faces of pictures and films as they pass by.

    A film's frames wait for up to half a second, because a face that turns up, or that is missed in some frames, is
    blurred before, after and between, where it is found. What is never found cannot be blurred.

    Raises
    ------
    LimitError
        From ``add``, which hands no frame out too early: half a second of the film is more than is held in memory.
    """

    def __init__(self) -> None:
        self._past: deque[Reading] = deque()
        self._waiting: deque[tuple[Frame | _Packed, Reading]] = deque()
        self._plain_bytes = self._packed_bytes = 0

    def add(self, frame: Frame, reading: Reading) -> Iterator[tuple[Frame, Reading]]:
        """Take the next frame in, and hand out those whose faces are known by now, blurred."""
        if reading.time_s is None:
            yield from self.finish()
            yield self._blurred(frame, [reading]), reading
            return
        if self._waiting and not reading.follows(self._waiting[-1][1]):
            yield from self.finish()
        self._waiting.append((self._kept(frame), reading))
        while _seconds(self._waiting[0][1], reading) > BRIDGE_S:
            yield self._next()

    def finish(self) -> Iterator[tuple[Frame, Reading]]:
        """Hand out the rest, blurred: a film has ended."""
        while self._waiting:
            yield self._next()
        self._past.clear()

    def _next(self) -> tuple[Frame, Reading]:
        waiting, reading = self._waiting.popleft()
        frame = self._given_back(waiting)
        while self._past and _seconds(self._past[0], reading) > BRIDGE_S:
            self._past.popleft()
        near = [*self._past, reading, *(later for _, later in self._waiting if _seconds(reading, later) <= BRIDGE_S)]
        self._past.append(reading)
        return self._blurred(frame, _sightings(reading, near)), reading

    def _kept(self, frame: Frame) -> Frame | _Packed:
        if self._plain_bytes + frame.image.nbytes <= PLAIN_BYTES:
            self._plain_bytes += frame.image.nbytes
            return frame
        packed = _Packed.of(frame)
        self._packed_bytes += len(packed.png)
        if self._packed_bytes > MAX_WAITING_BYTES:
            raise LimitError(
                f"{frame.source}: to blur faces, half a second of the film has to be in memory, and here that is more "
                f"than {MAX_WAITING_BYTES:,} bytes; read fewer of its frames: --every 0.02"
            )
        return packed

    def _given_back(self, waiting: Frame | _Packed) -> Frame:
        if isinstance(waiting, Frame):
            self._plain_bytes -= waiting.image.nbytes
            return waiting
        self._packed_bytes -= len(waiting.png)
        return waiting.frame()

    def _blurred(self, frame: Frame, readings: list[Reading]) -> Frame:
        boxes = [face.box for reading in readings for face in reading.faces]
        return Frame(blur(frame.image, boxes), frame.source, frame.index, frame.time_s)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A frame whose picture is compressed, without loss and in little time."""

    png: bytes
    source: str
    index: int
    time_s: float | None

    @classmethod
    def of(cls, frame: Frame) -> _Packed:
        # OpenCV takes red for blue both ways.
        _, png = cv2.imencode(".png", frame.image)
        return cls(png.tobytes(), frame.source, frame.index, frame.time_s)

    def frame(self) -> Frame:
        image = cv2.imdecode(np.frombuffer(self.png, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image is not None
        return Frame(image.astype(np.uint8, copy=False), self.source, self.index, self.time_s)


def _sightings(reading: Reading, near: list[Reading]) -> list[Reading]:
    """The reading, and the nearest ones before and after it that show somebody whom it does not."""
    here = {face.track_id for face in reading.faces}
    chosen = [reading]
    for others in (
        [one for one in near if one.index < reading.index][::-1],
        [one for one in near if one.index > reading.index],
    ):
        missing = {face.track_id for one in others for face in one.faces} - here
        for one in others:
            if missing & {face.track_id for face in one.faces}:
                chosen.append(one)
                missing -= {face.track_id for face in one.faces}
    return chosen


def _seconds(earlier: Reading, later: Reading) -> float:
    return (later.time_s or 0.0) - (earlier.time_s or 0.0)
