"""Cuts faces out as FER2013's crops are cut: eyes level, in the same places, no forehead, the chin just inside.

The constants are medians measured on FER2013 by ``benchmarks/fer2013_geometry.py`` (YuNet, 2,000 Training crops), made
symmetric, as shares of the crop's side.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.faces.base import Detection
from unmask.images import to_grey
from unmask.readings import Box, Landmarks

EYE_DISTANCE = 0.379
"""Between the eyes."""

EYE_HEIGHT = 0.382
"""Of the eyes below the upper edge."""

MOUTH_HEIGHT = 0.757
"""Of the mouth's middle below the upper edge."""

FINEST = 8
"""Samples along a pixel of the crop, at most. A face of more pixels is first reduced, so that the work has a bound
whatever the picture: one of 64 x 60,000 pixels, taken as a whole, would else be sampled 3,600 million times."""

_CANONICAL = np.array(  # left eye, right eye, middle of the mouth as complex numbers x + iy
    [0.5 - EYE_DISTANCE / 2 + 1j * EYE_HEIGHT, 0.5 + EYE_DISTANCE / 2 + 1j * EYE_HEIGHT, 0.5 + 1j * MOUTH_HEIGHT]
)


def crop(image: NDArray[np.uint8], detection: Detection, *, size: int = 48) -> NDArray[np.uint8]:
    """One face, upright and framed as FER2013 frames it; the picture is mirrored beyond its edges.

    Parameters
    ----------
    image
        ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``.
    detection
        The face. Without landmarks, the crop is the square around its box with the box's longer side, so that a square
        picture taken as a whole is only resized, and one of ``size`` pixels stays as it is.
    size
        Side of the crop, in pixels.

    Returns
    -------
    Grey pixels, ``uint8 (size, size)``.
    """
    origin, side = _frame(detection)
    # Sampling finer than the crop and averaging keeps large faces free of aliasing, whatever their angle.
    fine = size * min(FINEST, max(1, round(abs(side) / size)))
    step = side / fine  # from one sample to the next along the crop's rows, in pixels of the picture
    middle = (1 + 1j) / 2  # pixel centres lie half a pixel from the edges
    start = origin + step * middle - middle
    picture, start = _neighbourhood(image, start, step * fine)
    matrix = np.array([[step.real, -step.imag, start.real], [step.imag, step.real, start.imag]])
    if abs(step) > 1.5:
        picture, matrix = _reduced(picture, matrix, abs(step))
    pixels = cv2.warpAffine(
        picture,
        matrix,
        (fine, fine),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if fine != size:
        pixels = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    return to_grey(np.asarray(pixels, dtype=np.uint8))


def _frame(detection: Detection) -> tuple[complex, complex]:
    """The crop's upper left corner, and the vector along its upper edge, as complex numbers in source pixels."""
    if detection.landmarks is not None:
        frame = _landmark_frame(detection.landmarks)
        if frame is not None:
            return frame
    return _box_frame(detection.box)


def _box_frame(box: Box) -> tuple[complex, complex]:
    side = max(box.width, box.height)
    corner = complex(box.x1 + box.x2 - side, box.y1 + box.y2 - side) / 2
    return corner, complex(side)


def _landmark_frame(landmarks: Landmarks) -> tuple[complex, complex] | None:
    """The similarity that brings the canonical points nearest to the landmarks; None where these fall together."""
    left_eye, right_eye, _, mouth_left, mouth_right = (complex(x, y) for x, y in landmarks.points)
    points = np.array([left_eye, right_eye, (mouth_left + mouth_right) / 2])
    canonical = _CANONICAL - _CANONICAL.mean()
    side = complex(np.vdot(canonical, points - points.mean()) / np.vdot(canonical, canonical))
    if abs(side) < 1:
        return None
    return complex(points.mean() - side * _CANONICAL.mean()), side


def _neighbourhood(image: NDArray[np.uint8], start: complex, edge: complex) -> tuple[NDArray[np.uint8], complex]:
    """The part of the picture around a square, and the square's start in it.

    OpenCV warps no picture of more than 32,767 pixels a side, and is faster on a small one.
    """
    corners = np.array([0, 1, 1j, 1 + 1j]) * edge + start
    reach = abs(edge)  # what mirroring may need beyond the square
    height, width = image.shape[:2]
    x1, x2 = _within(width, corners.real.min() - reach, corners.real.max() + reach)
    y1, y2 = _within(height, corners.imag.min() - reach, corners.imag.max() + reach)
    return image[y1:y2, x1:x2], start - complex(x1, y1)


def _within(length: int, first: float, last: float) -> tuple[int, int]:
    """The part of a stretch that lies in ``0..length``; of one beside it, the pixel that is nearest."""
    begin = min(max(math.floor(first), 0), length - 1)
    return begin, max(begin + 1, min(math.floor(last), length))


def _reduced(
    picture: NDArray[np.uint8], matrix: NDArray[np.float64], factor: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture reduced by a factor, averaging, and the affine map ``(2, 3)`` into it instead of into the picture."""
    height, width = picture.shape[:2]
    size = max(1, round(width / factor)), max(1, round(height / factor))
    scale = np.array([[size[0] / width], [size[1] / height]])
    moved = matrix * scale
    moved[:, 2:] += (scale - 1) / 2  # pixel centres lie half a pixel from the edges
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), moved
