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
from unmask.faces.base import Detection
from unmask.faces.search import LONGEST, distinct, working_copy
from unmask.readings import Box, Landmarks

LARGEST_FACE = 480
"""Width, in pixels, of the largest face that YuNet finds reliably."""

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
        rows = self._search(image, LONGEST)
        if max(image.shape[:2]) > LARGEST_FACE:
            # A second search finds the faces that are too large for the first one.
            rows = np.concatenate([rows, self._search(image, LARGEST_FACE)])
        return [_detection(rows[i]) for i in distinct(rows[:, [0, 1, 2, 3, 14]], _MOST_OVERLAP, of_smaller=True)]

    def _search(self, image: NDArray[np.uint8], longest: int) -> NDArray[np.float64]:
        """Faces at one size, ``(N, 15)``: x1, y1, x2, y2, five points from the viewer's left eye on, score."""
        picture, scale = working_copy(image, longest=longest)
        detector = self._detector()
        detector.setInputSize((picture.shape[1], picture.shape[0]))
        _, found = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        rows = np.empty((0, 15)) if found is None else found.astype(np.float64)
        # On strips and flat areas the exponentials behind its boxes run away.
        rows = rows[np.isfinite(rows).all(axis=1)]
        size, middle = rows[:, 2:4], rows[:, :2] + rows[:, 2:4] / 2
        sane = (size >= 1) & (size <= 2 * max(picture.shape)) & (middle >= 0) & (middle <= picture.shape[1::-1])
        rows = np.asarray(rows[sane.all(axis=1)])
        rows[:, 2:4] += rows[:, :2]  # from width and height
        rows[:, :14] *= np.tile(scale, 7)
        return rows

    def _detector(self) -> Any:
        """The calling thread's own OpenCV object."""
        if not hasattr(self._per_thread, "detector"):
            self._per_thread.detector = cv2.FaceDetectorYN.create(
                "onnx", self._network, np.empty(0, np.uint8), (320, 320), _LEAST_SCORE, _MOST_OVERLAP, _MOST_CANDIDATES
            )
        return self._per_thread.detector


def _detection(row: NDArray[np.float64]) -> Detection:
    return Detection(
        box=Box(*row[:4].tolist()),
        score=float(np.clip(row[14], 0, 1)),
        landmarks=Landmarks(*((x, y) for x, y in row[4:14].reshape(5, 2).tolist())),
    )
