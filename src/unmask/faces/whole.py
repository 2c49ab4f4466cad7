"""The whole picture as one face, for pictures that are face crops already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.faces.base import Detection
from unmask.readings import Box


class WholeDetector:
    """Takes every picture as one face, without looking at it."""

    name = "whole"

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See :class:`unmask.faces.Detector`."""
        height, width = image.shape[:2]
        return [Detection(Box(0.0, 0.0, float(width), float(height)), score=1.0)]
