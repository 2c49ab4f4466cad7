"""Draw docs/images/failures.png: faces that the model in the package reads wrongly, as it sees them.

The first row is the astronaut's smile, as it is and damaged. Below, a column for each class: generated faces of
DiffusionFER in the class's folder, those that are read most confidently as another.

usage: python docs/make_failures.py FOLDER_OF_GENERATED_FACES
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from make_gallery import ROOT
from numpy.typing import NDArray

from unmask.evaluation.corruptions import corruptions
from unmask.expressions import FER2013
from unmask.faces import build_detector, crop
from unmask.images import load
from unmask.models import Classifier
from unmask.plots import image_grid, to_png

MODEL = "small"
DAMAGE = ("blurred", "dark", "small", "partly hidden", "eyes hidden", "mouth hidden")
ROWS = 2
"""Of generated faces."""


def aligned(pictures: list[Path]) -> NDArray[np.uint8]:
    """The surest face of each picture that has one, ``(N, 48, 48)``."""
    detector, crops = build_detector(None), []
    for path in pictures:
        picture = load(path)
        if found := detector.detect(picture):
            crops.append(crop(picture, max(found, key=lambda one: one.score)))
    return np.stack(crops)


def damaged() -> tuple[NDArray[np.uint8], list[str]]:
    """The astronaut's face as it is and damaged as strongly as the model is measured, and what each is."""
    face = aligned([ROOT / "docs/images/astronaut.jpg"])
    harm = [(corruptions()[name], np.random.default_rng(0)) for name in DAMAGE]
    crops = [one.apply(face, one.strengths[-1], generator) for one, generator in harm]
    return np.concatenate([face, *crops]), ["as it is", *DAMAGE]


def captions(names: list[str], probs: NDArray[np.float64]) -> list[str]:
    """What each crop is, and below it what it is read as."""
    return [f"{name}\n{FER2013.labels[p.argmax()]} {p.max():.0%}" for name, p in zip(names, probs, strict=True)]


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, help="a folder with a folder of pictures for each class")
    folder = parser.parse_args().faces
    classifier = Classifier.load(MODEL)

    def read(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        return classifier.probs(crops, head="fer2013")

    face, names = damaged()
    pictures, texts = [face], captions(names, read(face))
    columns = []
    for code, label in enumerate(FER2013.labels):
        crops = aligned(sorted((folder / label).iterdir()))
        probs = read(crops)
        surest = np.argsort(-probs.max(axis=1) * (probs.argmax(axis=1) != code), kind="stable")[:ROWS]
        columns.append((crops[surest], captions([label] * ROWS, probs[surest])))
    for row in range(ROWS):
        pictures.append(np.stack([crops[row] for crops, _ in columns]))
        texts += [caption[row] for _, caption in columns]
    figure = image_grid(list(np.concatenate(pictures)), captions=texts, columns=len(FER2013.labels), cell=1.1)
    (ROOT / "docs/images/failures.png").write_bytes(to_png(figure, dpi=110))


if __name__ == "__main__":
    main()
