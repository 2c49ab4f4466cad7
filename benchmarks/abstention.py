"""Where readings stop being worth naming: accuracy by size, sharpness and turn, on rows held out of training.

The held-out rows are those of the model's own recipe, measured against FER+'s majority rule:

- made smaller (area) and back to 48 pixels: accuracy by side;
- blurred (Gaussian): accuracy by measured sharpness;
- by the turn of the head that a detector's landmarks give (on the crops enlarged four times).

usage: python benchmarks/abstention.py --data fer2013.csv --ferplus fer2013new.csv [--model small]
"""

from __future__ import annotations

import argparse
import itertools
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.datasets import UNLABELLED, load_dataset
from unmask.evaluation.answers import reference_labels
from unmask.evaluation.corruptions import blur, shrink
from unmask.faces import Detection, build_detector, measure
from unmask.models import Classifier
from unmask.readings import Box
from unmask.training.targets import training_rows

SIDES = (48, 40, 32, 28, 24, 20, 16, 12)
SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
ANGLES = (0, 10, 20, 30, 40, 50, 91)


def accuracy(classifier: Classifier, crops: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of crops ``uint8 (N, 48, 48)`` whose likeliest label is the given code."""
    return float((classifier.probs(crops, head="ferplus").argmax(axis=1) == labels).mean())


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Sharpness as the reader measures it."""
    return measure(Detection(Box(0, 0, 48, 48), 1.0, None), crop).sharpness


def main() -> int:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--ferplus", required=True)
    parser.add_argument("--model", default="small")
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.model)
    config = classifier.card.training["config"]
    dataset = load_dataset(arguments.data, ferplus_path=arguments.ferplus)
    drawn = {key: config[key] for key in ("holdout", "seed", "keep_copies")}
    rows = training_rows(dataset, split=config["train_split"], **drawn)[1]
    if len(rows) != classifier.card.training["held_out_rows"]:
        parser.error(f"{arguments.model} held out other rows than these; give the data it was trained on")
    majority, _ = reference_labels(rows, use_votes=True)
    crops, labels = rows.images[majority != UNLABELLED], majority[majority != UNLABELLED]
    print(f"{classifier.card.identity}: {len(crops)} held-out rows with a majority")

    generator = np.random.default_rng(0)  # neither way draws from it
    print("\nside in pixels  accuracy")
    for side in SIDES:
        print(f"{side:14}  {accuracy(classifier, shrink(crops, side, generator), labels):8.3f}")

    print("\nblur (sigma)  median sharpness  accuracy")
    for sigma in SIGMAS:
        blurred = blur(crops, sigma, generator) if sigma else crops
        median = np.median([sharpness(crop) for crop in blurred])
        print(f"{sigma:12}  {median:16.4f}  {accuracy(classifier, blurred, labels):8.3f}")

    detector = build_detector(None)
    turns = np.full((len(crops), 2), np.nan)
    for row, crop in enumerate(crops):
        large = cv2.copyMakeBorder(cv2.resize(crop, None, fx=4, fy=4), 48, 48, 48, 48, cv2.BORDER_REPLICATE)
        found = detector.detect(np.asarray(large, dtype=np.uint8))
        if found:
            quality = measure(max(found, key=lambda d: d.box.width), crop)
            turns[row] = quality.yaw or 0.0, quality.pitch or 0.0
    right = classifier.probs(crops, head="ferplus").argmax(axis=1) == labels
    lost = np.isnan(turns[:, 0])
    print(f"\nno face found by {detector.name}: {lost.sum()} rows, accuracy {right[lost].mean():.3f}")
    for column, name in enumerate(("yaw", "pitch")):
        print(f"\n{name} in degrees     rows  accuracy")
        for low, high in itertools.pairwise(ANGLES):
            chosen = (np.abs(turns[:, column]) >= low) & (np.abs(turns[:, column]) < high)
            share = f"{right[chosen].mean():8.3f}" if chosen.any() else "       -"
            print(f"{low:6} to {high:3}  {chosen.sum():10}  {share}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
