"""YuNet through OpenCV: faster than MTCNN, once its published file is there.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector" (doi:10.1007/s11633-023-1423-y).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import ModelError
from unmask.faces.base import Detection, working_copy
from unmask.readings import Box, Landmarks

LONGEST = 1280
"""Longer side, in pixels, of the picture that is searched."""

_LEAST_SCORE = 0.7
_MOST_OVERLAP = 0.3  # of two faces
_MOST_CANDIDATES = 5000


class YunetDetector:
    """Finds faces with YuNet. OpenCV's own setting decides how many threads it takes.

    Parameters
    ----------
    path
        The published file, ``face_detection_yunet_2023mar.onnx``.

    Raises
    ------
    ModelError
        OpenCV refuses the file.
    """

    name = "yunet"

    def __init__(self, path: Path) -> None:
        self._network = np.fromfile(path, dtype=np.uint8)
        # OpenCV's object keeps the size of its last picture, so that each thread needs one of its own.
        self._per_thread = threading.local()
        try:
            self._detector()
        except cv2.error as error:
            raise ModelError(f"{path}: OpenCV {cv2.__version__} refuses the network: {error}") from None

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See :class:`unmask.faces.Detector`."""
        picture, scale = working_copy(image, longest=LONGEST)
        detector = self._detector()
        detector.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return [] if rows is None else [_detection(row, scale) for row in rows.astype(np.float64)]

    def _detector(self) -> Any:
        """The calling thread's own OpenCV object."""
        if not hasattr(self._per_thread, "detector"):
            self._per_thread.detector = cv2.FaceDetectorYN.create(
                "onnx", self._network, np.empty(0, np.uint8), (320, 320), _LEAST_SCORE, _MOST_OVERLAP, _MOST_CANDIDATES
            )
        return self._per_thread.detector


def _detection(row: NDArray[np.float64], scale: NDArray[np.float64]) -> Detection:
    """One of OpenCV's rows ``(15,)``: x, y, width, height, five points from the viewer's left eye on, and the score."""
    corners = np.array([row[:2], row[:2] + row[2:4]]) * scale
    return Detection(
        box=Box(*corners.ravel().tolist()),
        score=float(min(row[14], 1.0)),
        landmarks=Landmarks(*((x, y) for x, y in (row[4:14].reshape(5, 2) * scale).tolist())),
    )
