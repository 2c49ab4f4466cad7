"""MTCNN: three small networks in a row, each looking closer at what the one before let through.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks"
(doi:10.1109/LSP.2016.2603342). The weights are those in the wheel of ``mtcnn-runtime``. The cascade around them is this
module's own: the wheel's raises on pictures without candidates, writes to standard output, and takes no thread count.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import ModelError
from unmask.faces.base import Detection
from unmask.faces.search import LONGEST, Boxes, distinct, sides, working_copy
from unmask.models.runtime import inference_session
from unmask.readings import Box, Landmarks

MIN_FACE = 24
"""Side, in pixels of the picture that is searched, of the smallest face looked for."""

_WINDOW, _STRIDE = 12, 2  # of the first network, in pixels of its input
_PYRAMID_STEP = 0.5**0.5
_LEAST_SCORES = (0.6, 0.7, 0.9)  # after each of the three networks


class MtcnnDetector:
    """Finds faces with MTCNN.

    Parameters
    ----------
    threads
        Of each network.

    Raises
    ------
    ModelError
        The weights are not where ``mtcnn-runtime`` keeps them.
    """

    name = "mtcnn"

    def __init__(self, *, threads: int = 1) -> None:
        package = importlib.util.find_spec("mtcnnruntime")
        if package is None or package.origin is None:
            raise ModelError("detector 'mtcnn': its weights are not installed; pip install mtcnn-runtime")
        self._networks: list[Any] = []
        for network in ("pnet", "rnet", "onet"):
            path = Path(package.origin).with_name("weights") / f"{network}.onnx"
            if not path.is_file():
                raise ModelError(f"detector 'mtcnn': {path} is missing; pip install --force-reinstall mtcnn-runtime")
            self._networks.append(inference_session(path, threads=threads))

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See :class:`unmask.faces.Detector`."""
        picture, scale = working_copy(image, longest=LONGEST)
        boxes = _squares(self._propose(picture), picture)
        if not len(boxes):
            return []
        offsets, probs = self._run(1, _cut_out(picture, boxes, 24))
        likely = probs[:, 1] > _LEAST_SCORES[1]
        boxes = _moved(boxes[likely], offsets[likely], probs[likely, 1])
        boxes = _squares(boxes[distinct(boxes, 0.7)], picture)
        if not len(boxes):
            return []
        points, offsets, probs = self._run(2, _cut_out(picture, boxes, 48))
        likely = probs[:, 1] > _LEAST_SCORES[2]
        squares = boxes[likely]
        boxes = _moved(squares, offsets[likely], probs[likely, 1])
        # (N, 10), five x and then five y, to (N, 5, 2), as shares of the square
        shares = points[likely].reshape(-1, 2, 5).swapaxes(1, 2)
        pixels = squares[:, None, :2] + sides(squares)[:, None] * shares
        return [_detection(boxes[i], pixels[i], scale) for i in distinct(boxes, 0.7, of_smaller=True)]

    def _propose(self, picture: NDArray[np.uint8]) -> Boxes:
        """Candidates of the first network, which slides over the picture at falling sizes."""
        height, width = picture.shape[:2]
        found = [np.empty((0, 5))]
        scale = _WINDOW / MIN_FACE
        while min(height, width) * scale >= _WINDOW:
            size = round(width * scale), round(height * scale)
            level = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            offsets, probs = self._run(0, level[None])  # (1, 4, h, w), (1, 2, h, w)
            rows, columns = np.nonzero(probs[0, 1] > _LEAST_SCORES[0])
            corners = np.stack([columns, rows], axis=1) * _STRIDE
            scores = probs[0, 1, rows, columns]
            boxes = np.column_stack([corners / scale, (corners + _WINDOW) / scale, scores])
            picked = distinct(boxes, 0.5)
            found.append(_moved(boxes[picked], offsets[0, :, rows, columns][picked], scores[picked]))
            scale *= _PYRAMID_STEP
        boxes = np.concatenate(found)
        return boxes[distinct(boxes, 0.7)]

    def _run(self, stage: int, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs of one network for RGB pixels ``(N, h, w, 3)``."""
        scaled = (pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128
        outputs: list[NDArray[np.float32]] = self._networks[stage].run(None, {"input": scaled})
        return outputs


def _moved(boxes: Boxes, offsets: NDArray[np.float32], scores: NDArray[np.float32]) -> Boxes:
    """Boxes with their edges moved by shares ``(N, 4)`` of their sides, and with new scores ``(N,)``."""
    moved: Boxes = np.column_stack([boxes[:, :4] + np.tile(sides(boxes), 2) * offsets, scores])
    return moved


def _squares(boxes: Boxes, picture: NDArray[np.uint8]) -> Boxes:
    """The squares on whole pixels around the boxes, without those that lie beside the picture or are empty."""
    side = np.rint(sides(boxes).max(axis=1, keepdims=True))
    start = np.rint((boxes[:, :2] + boxes[:, 2:4] - side) / 2)
    squares: Boxes = np.column_stack([start, start + side, boxes[:, 4]])
    height, width = picture.shape[:2]
    inside = (side[:, 0] >= 1) & (start < (width, height)).all(axis=1) & (start + side > 0).all(axis=1)
    kept: Boxes = squares[inside]
    return kept


def _cut_out(picture: NDArray[np.uint8], squares: Boxes, size: int) -> NDArray[np.uint8]:
    """The squares resized, ``(N, size, size, 3)``; black where they reach beyond the picture."""
    patches = np.empty((len(squares), size, size, 3), dtype=np.uint8)
    height, width = picture.shape[:2]
    for i, (x1, y1, x2, y2) in enumerate(squares[:, :4].astype(int)):
        patch = picture[max(y1, 0) : y2, max(x1, 0) : x2]
        if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
            beyond = max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0)
            patch = np.asarray(cv2.copyMakeBorder(patch, *beyond, cv2.BORDER_CONSTANT), dtype=np.uint8)
        cv2.resize(patch, (size, size), dst=patches[i], interpolation=cv2.INTER_AREA)
    return patches


def _detection(box: NDArray[np.float64], points: NDArray[np.float64], scale: NDArray[np.float64]) -> Detection:
    return Detection(
        box=Box(*(box[:4] * np.tile(scale, 2)).tolist()),
        score=float(box[4]),
        landmarks=Landmarks(*((x, y) for x, y in (points * scale).tolist())),
    )
