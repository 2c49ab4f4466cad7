"""What a detector is, and what it finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.readings import Box, Landmarks


@dataclass(frozen=True, slots=True)
class Detection:
    """A face that a detector found.

    Parameters
    ----------
    box
        Where it is; it may reach beyond the picture.
    score
        How sure the detector is, 0 to 1; scores of two detectors cannot be compared.
    landmarks
        Five points, where the detector gives them.

    Raises
    ------
    DataError
        A score outside 0..1.
    """

    box: Box
    score: float
    landmarks: Landmarks | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise DataError(f"detection: expected a score of 0 to 1, got {self.score}")


def left_to_right(detections: Iterable[Detection]) -> list[Detection]:
    """Faces in the order in which they are numbered: by their middle, those above each other from the top."""
    return sorted(detections, key=lambda one: (one.box.x1 + one.box.x2, one.box.y1))


class Detector(Protocol):
    """Finds faces. May be called from several threads at a time."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a picture, in its pixels; empty without any.

        Parameters
        ----------
        image
            ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``.
        """
