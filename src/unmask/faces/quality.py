"""How well a face can be seen: its size, its sharpness, and where the head is turned."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.faces.alignment import EYE_DISTANCE, EYE_HEIGHT, MOUTH_HEIGHT
from unmask.faces.base import Detection
from unmask.readings import Landmarks, Quality

MOUTH_WIDTH = 0.300
"""Between the corners of the mouth, measured like the constants of :mod:`unmask.faces.alignment`."""

NOSE_HEIGHT = 0.597
"""Of the tip of the nose below the crop's upper edge."""

NOSE_DEPTH = 0.161
"""Of the tip of the nose before the plane of eyes and mouth: from how far it moves aside, in 5,000 Training crops of
FER2013, as turned heads draw the eyes together."""

_FACE = np.array(  # x right, y down, z away from the viewer; in the order of Landmarks.points
    [
        [-EYE_DISTANCE / 2, EYE_HEIGHT, 0],
        [EYE_DISTANCE / 2, EYE_HEIGHT, 0],
        [0, NOSE_HEIGHT, -NOSE_DEPTH],
        [-MOUTH_WIDTH / 2, MOUTH_HEIGHT, 0],
        [MOUTH_WIDTH / 2, MOUTH_HEIGHT, 0],
    ]
)
_FACE_INVERSE = np.linalg.pinv(_FACE - _FACE.mean(axis=0))


def measure(detection: Detection, crop: NDArray[np.uint8]) -> Quality:
    """How well a detected face can be seen.

    Parameters
    ----------
    crop
        The face as :func:`unmask.faces.crop` cuts it, grey, ``uint8 (S, S)``.
    """
    yaw, pitch, roll = pose(detection.landmarks) if detection.landmarks is not None else (None, None, None)
    return Quality(size=detection.box.side, sharpness=sharpness(crop), yaw=yaw, pitch=pitch, roll=roll)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian over the grey variance; 0 for a crop of one grey value."""
    variance = float(crop.var())
    if variance == 0:
        return 0.0
    return float(cv2.Laplacian(crop, cv2.CV_64F).var()) / variance


def pose(landmarks: Landmarks) -> tuple[float, float, float]:
    """Yaw, pitch and roll of the head in degrees, with the signs of :class:`unmask.readings.Quality`.

    FER2013's median face, which is taken to look straight ahead, is laid over the landmarks by weak perspective: the
    rotation nearest to the affine map that fits best. Yaw and pitch are those of the head once it is upright.
    Landmarks that all fall together give zeros.
    """
    points = np.array(landmarks.points)
    affine = (_FACE_INVERSE @ (points - points.mean(axis=0))).T  # (2, 3)
    left, spread, right = np.linalg.svd(affine, full_matrices=False)
    if spread[0] == 0:
        return 0.0, 0.0, 0.0
    rows = left @ right
    rotation = np.array([*rows, np.cross(rows[0], rows[1])])
    roll = math.atan2(rotation[1, 0], rotation[0, 0])
    upright = np.array([[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    x, y, z = upright @ rotation @ (0, 0, -1)  # where the face looks
    yaw, pitch = math.atan2(x, -z), math.asin(min(max(y, -1.0), 1.0))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)
