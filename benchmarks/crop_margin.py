"""How much around the face serves a model best: accuracy by the margin of the crop.

The aligner frames a face as FER2013's crops frame theirs, which was measured on where eyes and mouth stand and not on
accuracy (fer2013_geometry.py). Here the frame is made tighter and wider around the same middle, and the model asked:

- on FER2013's PublicTest, each crop looked for its face in and cut anew (beyond its edges, mirrored); not cut
  anew: the crops as they come;
- on a folder of pictures by class, that have what lies around the face.

Rows in which no face is found are left out. Each gain is against margin 1 on the same rows, with its 95 % interval.

usage: python benchmarks/crop_margin.py --data fer2013.csv --ferplus fer2013new.csv [--faces FOLDER] [--model small]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets import UNLABELLED, load_dataset
from unmask.evaluation.answers import reference_labels
from unmask.evaluation.comparison import compare
from unmask.expressions import FER2013
from unmask.faces import Detection, build_detector, crop
from unmask.images import load as load_image
from unmask.models import Classifier
from unmask.readings import Landmarks

MARGINS = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3)


Pictures = Iterable[NDArray[np.uint8]]


def widened(landmarks: Landmarks, margin: float) -> Landmarks:
    """The points moved away from their middle, so that the frame around them grows by a factor."""
    points = np.array(landmarks.points)
    left_eye, right_eye, _, mouth_left, mouth_right = points
    middle = (left_eye + right_eye + (mouth_left + mouth_right) / 2) / 3
    return Landmarks(*((float(x), float(y)) for x, y in middle + (points - middle) * margin))


def found_faces(pictures: Pictures) -> tuple[str, list[tuple[NDArray[np.uint8], Detection] | None]]:
    """The detector's name, and each picture with its surest face; None where it finds none."""
    detector = build_detector(None)
    faces: list[tuple[NDArray[np.uint8], Detection] | None] = []
    for picture in pictures:
        found = [one for one in detector.detect(picture) if one.landmarks is not None]
        faces.append((picture, max(found, key=lambda one: one.score)) if found else None)
    return detector.name, faces


def table(
    classifier: Classifier, pictures: Pictures, labels: NDArray[np.int64], *, head: str, whole: bool = False
) -> None:
    """Print accuracy by margin.

    Parameters
    ----------
    pictures
        ``uint8``, grey or RGB, with labels ``(N,)`` of the head's classes.
    whole
        The pictures are crops: show also what they give as they are.
    """
    name, faces = found_faces(pictures)
    found = [face for face in faces if face is not None]
    known = labels[[face is not None for face in faces]]

    def right(crops: list[NDArray[np.uint8]]) -> NDArray[np.bool_]:
        hits: NDArray[np.bool_] = classifier.probs(np.stack(crops), head=head).argmax(axis=1) == known
        return hits

    def cut(margin: float) -> list[NDArray[np.uint8]]:
        crops = []
        for picture, face in found:
            assert face.landmarks is not None
            crops.append(crop(picture, replace(face, landmarks=widened(face.landmarks, margin))))
        return crops

    print(f"{name} finds a face in {len(found)} of {len(faces)}")
    print("margin        accuracy  less margin 1")
    as_cut = right(cut(1.0))
    rows = {f"{margin:g}": right(cut(margin)) for margin in MARGINS}
    if whole:
        rows["not cut anew"] = right([picture for picture, _ in found])
    for what, hits in rows.items():
        difference = compare(hits, as_cut).difference
        print(f"{what:12}  {hits.mean():8.3f}  {difference.value:+.3f} ({difference.between('{:+.3f}'.format)})")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--ferplus", required=True)
    parser.add_argument("--faces", help="a folder of pictures in folders named as FER2013's classes")
    parser.add_argument("--model", default="small")
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.model)
    public = load_dataset(arguments.data, ferplus_path=arguments.ferplus).split("PublicTest")
    labels, _ = reference_labels(public, use_votes=True)
    known = labels != UNLABELLED
    print(f"{classifier.card.identity} on {known.sum()} crops of FER2013's PublicTest, FER+'s majority")
    table(classifier, public.images[known], labels[known], head="ferplus", whole=True)
    if arguments.faces is not None:
        files = [(file, label) for label in FER2013.labels for file in sorted(Path(arguments.faces, label).iterdir())]
        codes = np.array([FER2013.labels.index(label) for _, label in files])
        print(f"\n{classifier.card.identity} on {len(files)} pictures of {arguments.faces}")
        table(classifier, (load_image(file) for file, _ in files), codes, head="fer2013")
    return 0


if __name__ == "__main__":
    sys.exit(main())
