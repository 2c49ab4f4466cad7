"""Near copies: what the thresholds of ``unmask data audit`` find and miss, and a sheet of pairs to look at.

Every pair of different pictures is compared: by the correlation of 12x12 means, then, where that is at least 0.9, by
the correlation of all pixels. Printed is how many of the pairs the perceptual hash proposes; drawn are 16 random pairs
of each band of correlation, the highest band first, for a person to judge.

usage: python benchmarks/near_copies.py fer2013.csv --out sheet.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.datasets import load_dataset
from unmask.datasets.near import MAX_BITS, MIN_CORRELATION, correlation, perceptual_hash

BANDS = (0.98, 0.96, 0.94, 0.92, 0.90, 0.88)
SHOWN, MEANS, BLOCK = 16, 12, 512


def similar_pairs(images: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All pairs ``(P, 2)`` whose pixels correlate by the lowest band or more, and their correlation ``(P,)``."""
    small = np.stack([cv2.resize(image, (MEANS, MEANS), interpolation=cv2.INTER_AREA) for image in images])
    rows = small.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    found = []
    for start in range(0, len(rows), BLOCK):
        first, second = np.nonzero(rows[start : start + BLOCK] @ rows[start:].T >= 0.9)
        found.append(np.column_stack([first, second])[first < second] + start)
    pairs = np.concatenate(found)
    values = np.array([correlation(images[a], images[b]) for a, b in pairs.tolist()])
    return pairs[values >= BANDS[-1]], values[values >= BANDS[-1]]


def sheet(images: NDArray[np.uint8], pairs: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Random pairs of each band, two lines of eight a band."""
    rng = np.random.default_rng(0)
    lines = []
    for high, low in zip((1.01, *BANDS), BANDS, strict=False):
        chosen = rng.permutation(np.flatnonzero((values >= low) & (values < high)))[:SHOWN]
        cells = [
            cv2.copyMakeBorder(np.hstack(list(images[pairs[row]])), 3, 3, 3, 9, cv2.BORDER_CONSTANT, value=[255])
            for row in chosen
        ]
        cells += [np.full((54, 108), 255, np.uint8)] * (SHOWN - len(cells))
        lines += [np.hstack(cells[:8]), np.hstack(cells[8:]), np.zeros((4, 8 * 108), np.uint8)]
    return np.asarray(np.vstack(lines).repeat(2, axis=0).repeat(2, axis=1), dtype=np.uint8)


def main() -> int:
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the sheet; it holds pictures of the data set")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.data)
    _, first = np.unique(dataset.groups, return_index=True)
    images = dataset.images[np.sort(first)]
    pairs, values = similar_pairs(images)
    hashes = perceptual_hash(images)
    distance = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    print(f"{len(images):,} different pictures; correlation, pairs, proposed by the hash at {MAX_BITS} bits")
    for high, low in zip((1.01, *BANDS), BANDS, strict=False):
        band = (values >= low) & (values < high)
        print(f"{low:.2f} to {min(high, 1):.2f}  {band.sum():5}  {(distance[band] <= MAX_BITS).mean():6.1%}")
    above = values >= MIN_CORRELATION
    print(f"{MIN_CORRELATION} and more  {above.sum():5}  {(distance[above] <= MAX_BITS).mean():6.1%}")
    cv2.imwrite(str(arguments.out), sheet(images, pairs, values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
