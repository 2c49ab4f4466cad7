"""Maps, filters and heat as pixels, without matplotlib; all ``uint8``, grey ``(H, W)`` or RGB ``(H, W, 3)``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.explain.base import Crop

FOR = (213, 94, 0)
"""Colour of what speaks for a class: vermilion, of Okabe and Ito's palette."""

AGAINST = (0, 114, 178)
"""Colour of what speaks against it: blue, of the same palette."""

_STRENGTH = 0.75  # share of the colour where the heat is highest; the face stays to be seen below it


def greys(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Any numbers ``(H, W)`` spread over the greys by themselves; a plane of one value is black at 0, else mid-grey."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.full(values.shape, 0 if low == 0 else 128, dtype=np.uint8)
    return np.asarray((values - low) * (255 / (high - low))).round().astype(np.uint8)


def signed(values: NDArray[np.floating], *, reach: float | None = None) -> NDArray[np.uint8]:
    """Numbers ``(H, W)`` as RGB: white at 0, towards :data:`FOR` above and :data:`AGAINST` below.

    Parameters
    ----------
    reach
        The number that has the full colour; None takes the largest.
    """
    full = reach or float(np.abs(values).max()) or 1.0
    share = np.clip(values / full, -1, 1)[..., None]  # (H, W, 1)
    colour = np.where(share > 0, np.array(FOR), np.array(AGAINST))
    return np.asarray(255 + np.abs(share) * (colour - 255)).round().astype(np.uint8)


def overlay(crop: Crop, heat: NDArray[np.floating], *, reach: float | None = None, scale: int = 4) -> NDArray[np.uint8]:
    """Heat ``(S, S)`` in colour over the face ``uint8 (S, S)``, enlarged ``scale`` times.

    Parameters
    ----------
    reach
        The heat that has the full colour; None takes the largest. Give all maps that are to be compared the same.
    """
    full = reach or float(np.abs(heat).max()) or 1.0
    size = (crop.shape[1] * scale, crop.shape[0] * scale)
    face = cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)[..., None].astype(np.float64)
    share = cv2.resize(np.clip(heat / full, -1, 1), size, interpolation=cv2.INTER_LINEAR)[..., None]
    colour = np.where(share > 0, np.array(FOR), np.array(AGAINST))
    # The face darkens and brightens the colour, so that its lines stay visible where the heat is high.
    painted = colour * (0.35 + 0.65 * face / 255)
    opacity = _STRENGTH * np.abs(share)
    return np.asarray(face * (1 - opacity) + painted * opacity).round().astype(np.uint8)


def enlarge(pixels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Every pixel as a square of ``scale`` pixels."""
    return np.repeat(np.repeat(pixels, scale, axis=0), scale, axis=1)


def mosaic(tiles: Sequence[NDArray[np.uint8]], *, gap: int = 2, width: int = 960) -> NDArray[np.uint8]:
    """Tiles of one shape in rows, each enlarged by whole numbers to fill about ``width`` pixels; mid-grey in between.

    Parameters
    ----------
    gap
        Pixels between tiles.
    """
    across = _columns(len(tiles))
    scale = max(1, (width // across - gap) // tiles[0].shape[1])
    large = [enlarge(tile, scale) for tile in tiles]
    height, side = large[0].shape[:2]
    rows = -(-len(tiles) // across)
    shape = (rows * (height + gap) - gap, across * (side + gap) - gap, *large[0].shape[2:])
    sheet = np.full(shape, 150, dtype=np.uint8)
    for number, tile in enumerate(large):
        top, left = (number // across) * (height + gap), (number % across) * (side + gap)
        sheet[top : top + height, left : left + side] = tile
    return sheet


def _columns(count: int) -> int:
    """Tiles in a row: about twice as many as rows, and such that the last row is as full as can be."""
    best = math.sqrt(2 * count)
    likely = range(math.ceil(math.sqrt(count)), math.ceil(math.sqrt(4 * count)) + 1)
    return min(likely, key=lambda across: (-count % across, abs(across - best)))


def map_mosaic(maps: NDArray[np.floating]) -> NDArray[np.uint8]:
    """All channels of a block's maps ``(C, H, W)``, each spread over the greys by itself; a silent channel is black."""
    return mosaic([greys(plane) for plane in maps])


def filter_mosaic(filters: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Kernels ``(outputs, inputs, h, w)``, of several inputs the mean, in one scale of colour for all."""
    planes = filters.mean(axis=1)
    reach = float(np.abs(planes).max())
    return mosaic([signed(plane, reach=reach) for plane in planes], gap=8)
