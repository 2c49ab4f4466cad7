"""Frames a second of reading a 640x480 film with one face: decode, find, follow, align, classify and smooth.

The film is made here from the portrait in the repository: it moves and grows, in H.264. Each detector reads it with
the default way (the whole picture in each fifth frame, between only where the face was) and searching the whole picture
in every frame, in turn, and the two are compared: faces found, and how far apart boxes, landmarks and scores lie.
The film is read once before the clock starts, because ONNX Runtime and OpenCV set themselves up at the first picture.

usage: python benchmarks/film_speed.py [--frames 300] [--threads 2] [--detectors yunet mtcnn] [--film FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import unmask
from unmask.media import Span
from unmask.media.writing import FilmWriter
from unmask.session import FilmOptions

LIMITS = {"yunet": 60.0, "mtcnn": 25.0}
"""Frames a second on two quiet cores."""

PORTRAIT = Path(__file__).parents[1] / "docs/images/astronaut.jpg"


def make_film(path: Path, frames: int) -> None:
    """One head that moves to and fro and comes nearer, before a calm background, 30 frames a second."""
    with Image.open(PORTRAIT) as picture:
        head = np.asarray(picture.convert("RGB"))[10:260, 110:350]
    y, x = np.mgrid[:480, :640]
    background = np.stack([90 + x // 8, 100 + y // 6, 120 + 0 * x], axis=-1).astype(np.uint8)
    with FilmWriter(path) as film:
        for number in range(frames):
            at = 2 * np.pi * number / 150
            scale = 0.8 + 0.25 * np.sin(at / 2)
            shift = np.array([[scale, 0, 200 + 120 * np.sin(at)], [0, scale, 110 + 30 * np.cos(at)]])
            scene = background.copy()
            cv2.warpAffine(head, shift, (640, 480), dst=scene, borderMode=cv2.BORDER_TRANSPARENT)
            film.write(scene, float(Fraction(number, 30)))


def read(reader: unmask.Reader, film: Path, search_every: int) -> tuple[float, float, list[unmask.Reading]]:
    """Frames a second, milliseconds of processor time a frame (which a busy machine spoils less), and the readings."""
    start, worked = time.perf_counter(), time.process_time()
    readings = list(reader.read(film, film=FilmOptions(search_every=search_every)))
    count = len(readings)
    return count / (time.perf_counter() - start), 1000 * (time.process_time() - worked) / count, readings


def compare(some: list[unmask.Reading], others: list[unmask.Reading]) -> str:
    """How far two readings of one film lie apart, over the frames in which each found one face."""
    pairs = [(a.faces[0], b.faces[0]) for a, b in zip(some, others, strict=True) if len(a.faces) == len(b.faces) == 1]
    if not pairs:
        return "no frame in which both found one face"
    iou = [a.box.iou(b.box) for a, b in pairs]
    apart = [
        np.abs(np.subtract(a.landmarks.points, b.landmarks.points)).mean() / a.box.side
        for a, b in pairs
        if a.landmarks and b.landmarks
    ]
    scores = [abs(a.scores[label] - b.scores[label]) for a, b in pairs for label in a.scores]
    return (
        f"IoU {np.mean(iou):.3f}, landmarks {100 * np.mean(apart):.1f} % of the face apart, "
        f"scores {np.mean(scores):.4f} apart"
    )


def main() -> int:
    """Make the film, read it, compare, and fail below the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2, help="cores that the process may use, and OpenCV's threads")
    parser.add_argument("--detectors", nargs="+", default=["yunet", "mtcnn"])
    parser.add_argument("--film", type=Path, help="read this film instead")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: arguments.threads]))
    cv2.setNumThreads(arguments.threads)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        film = arguments.film or Path(folder) / "film.mp4"
        if arguments.film is None:
            make_film(film, arguments.frames)
        for name in arguments.detectors:
            reader = unmask.load(detector=name)
            list(reader.read(film, film=FilmOptions(span=Span(end_s=Fraction(1)))))
            fast, work, followed = read(reader, film, 5)
            slow, more, searched = read(reader, film, 1)
            found = [sum(len(reading.faces) for reading in readings) for readings in (followed, searched)]
            people = {face.track_id for reading in followed for face in reading.faces}
            limit = LIMITS.get(name, 0.0)
            print(f"{name}: {fast:.1f} frames a second (limit {limit:.0f}), {work:.1f} ms of processor time a frame")
            print(f"  searching the whole picture in every frame: {slow:.1f} a second, {more:.1f} ms")
            print(f"  faces {found[0]} and {found[1]} in {len(followed)} frames, {len(people)} people; ", end="")
            print(compare(followed, searched))
            failed = failed or fast < limit
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
