"""What a detector is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
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


class Detector(Protocol):
    """Finds faces. May be called from several threads at a time."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a picture, ``uint8`` RGB ``(H, W, 3)`` or grey ``(H, W)``, in its pixels; an empty list without any."""


def working_copy(image: NDArray[np.uint8], *, longest: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture as RGB, reduced until its longer side has at most ``longest`` pixels.

    Returns
    -------
    The RGB copy ``(h, w, 3)``, and the width and height ``(2,)`` of one of its pixels in pixels of the picture.
    """
    height, width = image.shape[:2]
    factor = min(1.0, longest / max(height, width))
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if image.ndim == 2:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    return image, np.array([width / image.shape[1], height / image.shape[0]])
