"""Near copies: the same photograph cut, scaled, compressed or marked a little differently.

A perceptual hash of 64 bits (the signs of the lowest frequencies of the discrete cosine transform, after Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) proposes pairs; the correlation of their
pixels decides. ``docs/datasets.md`` says what both thresholds find in FER2013.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_BITS = 12
"""So many of the 64 bits may differ in a pair that is looked at closely."""

MIN_CORRELATION = 0.92
"""Correlation of the pixels from which a pair counts as near copies."""

_SIDE, _FREQUENCIES = 32, 8
_BLOCK = 256


def near_copies(
    images: NDArray[np.uint8], *, max_bits: int = MAX_BITS, min_correlation: float = MIN_CORRELATION
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs of pictures that are nearly the same. The time grows with the square of the number of pictures.

    Parameters
    ----------
    images
        Grey ``(N, H, W)``. Pixel-identical pictures are found too; give each only once to leave those out.

    Returns
    -------
    Rows of each pair ``(P, 2)``, the smaller first, and the correlation of their pixels ``(P,)``, the highest first.
    Pictures of one grey have no correlation and are in no pair.
    """
    hashes = perceptual_hash(images)
    found = []
    for start in range(0, len(hashes), _BLOCK):
        distance = np.bitwise_count(hashes[start : start + _BLOCK, None] ^ hashes[None, start:])
        first, second = np.nonzero(distance <= max_bits)
        ahead = first < second
        found.append(np.column_stack([first[ahead], second[ahead]]) + start)
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *found])
    correlations = np.array([correlation(images[a], images[b]) for a, b in pairs.tolist()], dtype=np.float32)
    kept = correlations >= min_correlation
    order = np.argsort(-correlations[kept], kind="stable")
    return pairs[kept][order], correlations[kept][order]


def perceptual_hash(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits of each picture, ``(N,)``: which of its 8x8 lowest frequencies lie above their median."""
    import cv2

    steps = np.arange(_SIDE)
    waves = np.cos(np.pi * (2 * steps + 1) * np.arange(1, _FREQUENCIES + 1)[:, None] / (2 * _SIDE))
    waves = waves.astype(np.float32)  # (frequencies, side)
    hashes = np.empty(len(images), dtype=np.uint64)
    for row, image in enumerate(images):
        small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        powers = (waves @ small @ waves.T).ravel()
        hashes[row] = np.packbits(powers > np.median(powers)).view(np.uint64)[0]
    return hashes


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Pearson's correlation of the pixels of two pictures, -1 to 1; 0 where one of them has a single grey."""
    a, b = (image.astype(np.float32).ravel() - image.mean(dtype=np.float64) for image in (first, second))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 0 else 0.0
