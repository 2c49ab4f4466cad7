"""What the detectors that search a picture share: its size for the search, and one box for one face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.images import to_rgb

LONGEST = 1024
"""Longer side, in pixels, that larger pictures are reduced to: a face of a fortieth of it is still found."""

LEAST = 192
"""Longer side, in pixels, that smaller pictures are enlarged to: YuNet finds 76 % of FER2013's crops at their 48 pixels
and all of them at 192."""

Boxes = NDArray[np.float64]
"""Candidates ``(N, 5)``: x1, y1, x2, y2, half open, and the score."""


def working_copy(image: NDArray[np.uint8], *, longest: int = LONGEST) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture as RGB, its longer side brought into the range of ``LEAST`` to ``longest`` pixels.

    Returns
    -------
    The RGB copy ``(h, w, 3)``, and the width and height ``(2,)`` of one of its pixels in pixels of the picture.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    factor = min(max(side, LEAST), longest) / side
    if factor != 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)
    return to_rgb(image), np.array([width / image.shape[1], height / image.shape[0]])


def sides(boxes: Boxes) -> NDArray[np.float64]:
    """Width and height ``(N, 2)`` of boxes."""
    corners: NDArray[np.float64] = boxes[:, 2:4] - boxes[:, :2]
    return corners


def distinct(boxes: Boxes, most: float, *, of_smaller: bool = False) -> list[int]:
    """Positions of the best boxes, best first: none overlaps a better one by more than ``most``.

    Parameters
    ----------
    most
        Largest overlap that stays: the common area as a share of the union, or of the smaller box.
    of_smaller
        Which of the two; a box inside a better one goes only with the smaller.
    """
    areas = sides(boxes).prod(axis=1)
    left = np.argsort(-boxes[:, 4], kind="stable")
    picked = []
    while len(left):
        best, left = left[0], left[1:]
        picked.append(int(best))
        start = np.maximum(boxes[best, :2], boxes[left, :2])
        common = np.clip(np.minimum(boxes[best, 2:4], boxes[left, 2:4]) - start, 0, None).prod(axis=1)
        whole = np.minimum(areas[best], areas[left]) if of_smaller else areas[best] + areas[left] - common
        left = left[common <= most * whole]
    return picked
