"""Where labels go: inside the picture, off the faces and off each other as far as there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.readings import Box


@dataclass(frozen=True, slots=True)
class Slot:
    """A rectangle in whole pixels: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """``x1, y1, x2, y2``, half open."""
        return self.x, self.y, self.x + self.width, self.y + self.height


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[tuple[int, int]], width: int, height: int, gap: int
) -> list[Slot]:
    """A slot for the label of each box.

    Greedy, smallest faces first, because large ones have more places to choose from. Each label takes the place that
    covers least: other labels weigh most, then other faces, then its own; places nearer the top of the box win ties.

    Parameters
    ----------
    boxes
        Where the faces are.
    sizes
        Width and height of each label, in pixels; at most those of the picture.
    width, height
        Of the picture.
    gap
        Between a box and its label, in pixels.
    """
    slots: dict[int, Slot] = {}
    faces = np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes]).reshape(-1, 4)
    labels = np.zeros((0, 4))
    for number in sorted(range(len(boxes)), key=lambda i: boxes[i].side):
        options = list(_slots_around(boxes[number], sizes[number], width, height, gap))
        corners = np.array([slot.corners for slot in options], dtype=np.float64)
        covered = _overlaps(corners, faces)
        weighed = 4 * _overlaps(corners, labels).sum(axis=1) + 2 * covered.sum(axis=1) - covered[:, number]
        best = int((weighed / (options[0].width * options[0].height) + 0.02 * np.arange(len(options))).argmin())
        slots[number] = options[best]
        labels = np.vstack([labels, corners[best]])
    return [slots[number] for number in range(len(boxes))]


def _overlaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas in common of rectangles, ``x1, y1, x2, y2`` each: ``(N, 4)`` and ``(M, 4)`` to ``(N, M)``."""
    low, high = np.maximum(first[:, None, :2], second[:, :2]), np.minimum(first[:, None, 2:], second[:, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(axis=2))


def _slots_around(box: Box, size: tuple[int, int], width: int, height: int, gap: int) -> Iterator[Slot]:
    """Places for one label, the most natural first, each moved into the picture."""
    wide, high = size
    left, middle, right = box.x1 - gap, (box.x1 + box.x2 - wide) / 2, box.x2 + gap - wide
    above, below = box.y1 - gap - high, box.y2 + gap
    inner_top, inner_bottom = box.y1 + gap, box.y2 - gap - high
    for x, y in (
        *((x, above) for x in (left, middle, right)),
        *((x, below) for x in (left, middle, right)),
        *((box.x2 + gap, y) for y in (inner_top, inner_bottom)),
        *((box.x1 - gap - wide, y) for y in (inner_top, inner_bottom)),
        *((x, above - high) for x in (left, right)),
        *((x, below + high) for x in (left, right)),
        (middle, inner_bottom),
        (middle, inner_top),
    ):
        yield Slot(round(min(max(x, 0), width - wide)), round(min(max(y, 0), height - high)), wide, high)
