"""Frames in time: faces found, followed, read and smoothed, one frame after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unmask.errors import ConfigError, UnmaskError
from unmask.faces import Detection
from unmask.faces.following import SEARCH_EVERY, Follower, check_search_every
from unmask.images import MAX_PIXELS, Image, as_image
from unmask.media import WHOLE, Failure, Frame, Span
from unmask.readings import Reading, Unfinished
from unmask.timeline.smoothing import SMOOTH_S, Smoother, check_smooth

if TYPE_CHECKING:
    from unmask.reader import Found, Reader


@dataclass(frozen=True, slots=True)
class FilmOptions:
    """How what moves is read.

    Parameters
    ----------
    span
        Which frames.
    smooth_s
        Time constant of :class:`unmask.timeline.smoothing.Smoother`, in seconds; 0 is off.
    search_every
        Frames from one search of the whole picture to the next; see :class:`unmask.faces.following.Follower`.
    max_pixels
        Of a frame of a film; one with more ends the film with an error.

    Raises
    ------
    ConfigError
        A time constant or number of frames that cannot be.
    """

    span: Span = WHOLE
    smooth_s: float = SMOOTH_S
    search_every: int = SEARCH_EVERY
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        check_smooth(self.smooth_s)
        check_search_every(self.search_every)


class Session:
    """One film or camera being read: push its frames in their order.

    Not for several threads at a time; sessions of one reader may run beside each other.

    Parameters
    ----------
    reader
        Detector, model and thresholds.
    source
        What its readings are called.
    smooth_s, search_every
        As in :class:`FilmOptions`.

    Raises
    ------
    ConfigError
        A time constant or number of frames that cannot be.

    Examples
    --------
    >>> session = unmask.load().session()                           # doctest: +SKIP
    >>> reading = session.push(image, time_s=0.04)                  # doctest: +SKIP
    >>> [(face.track_id, face.expression) for face in reading.faces]  # doctest: +SKIP
    """

    def __init__(
        self,
        reader: Reader,
        *,
        source: str = "<session>",
        smooth_s: float = SMOOTH_S,
        search_every: int = SEARCH_EVERY,
    ) -> None:
        self.source = source
        self._reader = reader
        self._follower = Follower(reader.detector, search_every=search_every)
        self._smoother = Smoother(smooth_s)
        self._frames = 0
        self._started: float | None = None
        self._time_s = -math.inf

    def push(self, image: Image, *, time_s: float | None = None, index: int | None = None) -> Reading:
        """Read the next frame.

        Parameters
        ----------
        image
            An array that :func:`unmask.images.as_image` takes: ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``.
        time_s
            Of the frame, not before the one before it; None takes the seconds since the first frame was pushed, or the
            last frame's time where that is later.
        index
            Of the frame; None counts on.

        Raises
        ------
        InputError
            The picture is not as it should be. The session can go on.
        ConfigError
            A time that is not finite, or before that of the last frame. The session can go on.
        """
        now = time.monotonic()
        started = now if self._started is None else self._started
        if time_s is None:
            time_s = max(now - started, self._time_s)
        elif not self._time_s <= time_s < math.inf:
            raise ConfigError(f"{self.source}: time {time_s} s after {self._time_s} s; push frames as their times rise")
        image = as_image(image, name=self.source)
        self._started = started
        frame = Frame(image, self.source, self._frames if index is None else index, time_s)
        (item,) = self._reader.classify([self.find(frame)])
        assert not isinstance(item, Failure)
        return item[1]

    def find(self, frame: Frame) -> Found:
        """The frame's faces with the numbers of their people, ready for :meth:`Reader.classify`."""
        time_s = self._time(frame)
        found = self._reader.look(frame, self._follower.find(frame.image, time_s))
        found.people = self._follower.tracker.update(found.detections, found.crops, time_s)
        found.smoother = self._smoother
        return found

    def reserve(self, highest_id: int) -> None:
        """Number newcomers above this: an earlier run has given the numbers up to it."""
        self._follower.tracker.reserve(highest_id)

    def replay(self, frame: Frame, reading: Reading) -> None:
        """Take in a frame that an earlier run has read already, so that people keep their numbers and scores go on.

        Parameters
        ----------
        frame
            The frame.
        reading
            What the earlier run made of it, with track ids.
        """
        time_s = self._time(frame)
        faces = [face for face in reading.faces if face.track_id is not None]
        detections = [Detection(face.box, face.detection_score, face.landmarks) for face in faces]
        found = self._reader.look(frame, detections)
        known = [face.track_id for face in faces if face.track_id is not None]
        self._follower.tracker.update(detections, found.crops, time_s, known=known)
        for face, person in zip(faces, known, strict=True):
            self._smoother.restore(person, time_s, np.array(list(face.scores.values())))

    def _time(self, frame: Frame) -> float:
        self._frames = frame.index + 1
        self._time_s = 0.0 if frame.time_s is None else frame.time_s
        return self._time_s


def follow(
    session: Session, frames: Generator[Frame | Failure, None, None], *, past: Unfinished | None = None
) -> Generator[Found | Failure, None, None]:
    """Faces of a film's frames, found one frame after the other; closes the frames when it ends.

    Parameters
    ----------
    past
        Where an earlier run stopped: the frames that it has read are replayed, not given out.
    """
    earlier = {reading.index: reading for reading in past.recent} if past else {}
    session.reserve(past.highest_id if past else 0)
    last = max(earlier, default=-1)
    with closing(frames):
        for frame in frames:
            if isinstance(frame, Failure):
                yield frame
            elif frame.index > last:
                try:
                    yield session.find(frame)
                except UnmaskError as error:
                    yield Failure(frame.source, error)
            elif frame.index in earlier:
                session.replay(frame, earlier[frame.index])
