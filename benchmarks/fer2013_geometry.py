"""Where the eyes and the mouth stand in FER2013's crops: the source of the constants in ``unmask.faces.alignment``.

Run::

    python benchmarks/fer2013_geometry.py fer2013.csv
    UNMASK_TEST_DATA=FOLDER python benchmarks/fer2013_geometry.py

It looks for the face in a sample of the Training crops and prints the median and the spread (half the distance between
the 16th and 84th percentile) of the five points and of the box, as shares of the crop's side.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets import load_dataset
from unmask.faces import build_detector
from unmask.faces.quality import pose

POINTS = ("left eye", "right eye", "nose", "mouth left", "mouth right")


def training_images(path: Path | None) -> NDArray[np.uint8]:
    """The Training crops ``(N, 48, 48)`` of a FER2013 CSV, or of the development data."""
    if path is not None:
        return load_dataset(path).split("Training").images
    folder = os.environ.get("UNMASK_TEST_DATA")
    if folder is None:
        sys.exit("give a FER2013 CSV, or name the folder of the development data in UNMASK_TEST_DATA")
    with np.load(Path(folder) / "fer2013" / "fer2013_development.npz") as data:
        images: NDArray[np.uint8] = data["pixels"][data["usage"] == 0]
    return images


def line(what: str, values: NDArray[np.float64]) -> str:
    """Median and spread of a column."""
    low, middle, high = np.percentile(values, [16, 50, 84])
    return f"{what:24} {middle:8.3f} +- {(high - low) / 2:.3f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure where the faces stand in FER2013's crops.")
    parser.add_argument("csv", type=Path, nargs="?", help="a FER2013 CSV (default: the development data)")
    parser.add_argument("--detector", help="what finds the faces (default: yunet where it is fetched, else mtcnn)")
    parser.add_argument("--sample", type=int, default=2000, help="crops to look at (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    arguments = parser.parse_args()

    images = training_images(arguments.csv)
    rows = np.random.default_rng(arguments.seed).permutation(len(images))[: arguments.sample]
    detector = build_detector(arguments.detector)
    side = images.shape[1]
    points, boxes, poses = [], [], []
    for row in rows:
        found = detector.detect(images[row])
        if not found or found[0].landmarks is None:
            continue
        best = max(found, key=lambda detection: detection.score)
        assert best.landmarks is not None
        points.append(best.landmarks.points)
        boxes.append(best.box.to_json())
        poses.append(pose(best.landmarks))

    print(f"{detector.name}: a face in {len(points)} of {len(rows)} Training crops ({len(points) / len(rows):.1%})")
    shares = np.array(points) / side  # (N, 5, 2)
    for i, name in enumerate(POINTS):
        print(line(f"{name} x", shares[:, i, 0]))
        print(line(f"{name} y", shares[:, i, 1]))
    mouth = shares[:, 3:].mean(axis=1)
    print(line("mouth middle x", mouth[:, 0]))
    print(line("mouth middle y", mouth[:, 1]))
    for i, name in enumerate(("box left", "box top", "box right", "box bottom")):
        print(line(name, np.array(boxes)[:, i] / side))
    for i, name in enumerate(("yaw", "pitch", "roll")):
        print(line(f"{name} (degrees)", np.array(poses)[:, i]))


if __name__ == "__main__":
    main()
