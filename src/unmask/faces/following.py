"""Finds the faces of a film's frames: the whole picture now and then, and between, where the known faces should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError
from unmask.faces.base import Detection, Detector, left_to_right
from unmask.faces.search import LEAST, distinct, working_copy
from unmask.faces.tracking import Tracker
from unmask.readings import Box, Landmarks

SEARCH_EVERY = 5
"""Frames from one search of the whole picture to the next."""

SEARCH_S = 0.25
"""Seconds after which the whole picture is searched in any case."""

_FOLLOW_S = 0.5  # a face that is out of sight is looked for in its place for this long
_REGION = 2.2  # side of the region that is searched, in sides of the face
_OVERLAP = 0.4  # of two finds of one face


def check_search_every(frames: int) -> None:
    """Raises ConfigError for less than 1."""
    if frames < 1:
        raise ConfigError(f"search every {frames} frames: expected at least 1")


class Follower:
    """Faces of one film or camera, frame by frame in their order, with the numbers of their people.

    Parameters
    ----------
    detector
        What finds faces, in the whole picture and in parts of it.
    search_every
        Search the whole picture in each frame of this number; 1 searches it always. A newcomer is found within as many
        frames, or a quarter of a second. A face that is not found in its place is searched for in the whole picture
        at once.

    Raises
    ------
    ConfigError
        ``search_every`` below 1.
    """

    def __init__(self, detector: Detector, *, search_every: int = SEARCH_EVERY) -> None:
        check_search_every(search_every)
        self.tracker = Tracker()
        self._detector = detector
        self._search_every = search_every
        self._frames_since = search_every
        self._searched_s = -np.inf
        self._time_s = -np.inf

    def find(self, image: NDArray[np.uint8], time_s: float) -> list[Detection]:
        """Faces of the next frame, from left to right; then tell the tracker.

        Parameters
        ----------
        image
            ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``.
        time_s
            Of the frame, in seconds.
        """
        followed = [track for track in self.tracker.tracks if time_s - track.seen_s <= _FOLLOW_S]
        places = [track.expected(time_s) for track in followed]
        regions = [_region(place, image) for place in places]
        due = self._frames_since + 1 >= self._search_every or time_s - self._searched_s >= SEARCH_S
        # Many large regions cost more than the picture.
        crowded = len(regions) * LEAST**2 > image.shape[0] * image.shape[1]
        found: list[Detection] = []
        whole = due or crowded or self._detector.name == "whole"
        if not whole:
            for track, expected, region in zip(followed, places, regions, strict=True):
                detection = self._look(image, region, expected)
                if detection is not None:
                    found.append(detection)
                elif track.seen_s == self._time_s:
                    whole = True  # it was there a frame ago
                    break
        if whole:
            found = self._detector.detect(image)
            self._frames_since, self._searched_s = 0, time_s
        else:
            self._frames_since += 1
        self._time_s = time_s
        return left_to_right(_without_doubles(found))

    def _look(self, image: NDArray[np.uint8], region: tuple[int, int, int, int], expected: Box) -> Detection | None:
        """The face in a region that lies nearest to where one is expected."""
        x1, y1, x2, y2 = region
        if x2 <= x1 or y2 <= y1:
            return None
        part, stretch = working_copy(image[y1:y2, x1:x2], longest=LEAST)
        moved = [_moved(one, stretch, (x1, y1)) for one in self._detector.detect(np.ascontiguousarray(part))]
        best = max(moved, key=lambda one: one.box.iou(expected), default=None)
        return best if best is not None and best.box.iou(expected) > 0.15 else None


def _region(box: Box, image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The square around a box that is searched, cut at the picture's edges, on whole pixels."""
    half = _REGION * max(box.width, box.height) / 2
    x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    height, width = image.shape[:2]
    x1, x2 = (round(min(max(value, 0), width)) for value in (x - half, x + half))
    y1, y2 = (round(min(max(value, 0), height)) for value in (y - half, y + half))
    return x1, y1, x2, y2


def _moved(detection: Detection, stretch: NDArray[np.float64], corner: tuple[int, int]) -> Detection:
    """A find in a part of the picture, in pixels of the picture."""
    box = (np.reshape(detection.box.to_json(), (2, 2)) * stretch + corner).ravel()
    landmarks = None
    if detection.landmarks is not None:
        points = np.array(detection.landmarks.points) * stretch + corner
        landmarks = Landmarks(*((x, y) for x, y in points.tolist()))
    return Detection(Box(*box.tolist()), detection.score, landmarks)


def _without_doubles(found: Sequence[Detection]) -> list[Detection]:
    if len(found) < 2:
        return list(found)
    boxes = np.array([[*one.box.to_json(), one.score] for one in found])
    return [found[number] for number in distinct(boxes, _OVERLAP, of_smaller=True)]
