"""Memory of reading a long film with everything on: it must not grow with the film's length.

A film of MINUTES is made here from the portrait in the repository: a head that moves, and is away for two seconds of
each twenty. It is read with JSON lines, an annotated film and a summary written; the peak after the film's first minute
is compared with the peak after all of it.

usage: python benchmarks/film_memory.py [--minutes 60] [--rate 25] [--detector mtcnn]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import peak_megabytes
from PIL import Image

import unmask
from unmask.media import Failure
from unmask.media.writing import FilmWriter
from unmask.outputs import open_writer
from unmask.outputs.drawing import draw
from unmask.timeline.people import FilmSummary

MAX_GROWTH_MB = 50
SIZE = (180, 320)


def make_film(path: Path, minutes: float, rate: float) -> None:
    """A head of 80 pixels that moves to and fro."""
    with Image.open(Path(__file__).parents[1] / "docs/images/astronaut.jpg") as picture:
        head = np.asarray(picture.convert("RGB").crop((130, 20, 330, 240)).resize((80, 88)))
    with FilmWriter(path) as film:
        for number in range(round(60 * minutes * rate)):
            time_s = number / rate
            scene = np.full((*SIZE, 3), (110, 120, 130), np.uint8)
            if time_s % 20 < 18:
                left = 120 + round(100 * np.sin(time_s / 3))
                scene[46:134, left : left + 80] = head
            film.write(scene, time_s)


def main() -> int:
    """Make the film, read it, compare the two peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=25, help="frames a second of the film")
    parser.add_argument("--detector", default="mtcnn")
    arguments = parser.parse_args()
    if arguments.minutes * 60 - 1 / arguments.rate < 60:
        parser.error("--minutes: expected more than one, as what comes after the first minute is compared with it")
    with tempfile.TemporaryDirectory() as name:
        film, folder = Path(name) / "film.mp4", Path(name)
        make_film(film, arguments.minutes, arguments.rate)
        reader = unmask.load(detector=arguments.detector)
        summary, start, early, frames = FilmSummary(str(film)), time.perf_counter(), 0.0, 0
        with (
            open_writer("jsonl", folder / "rows.jsonl", labels=reader.labels) as rows,
            FilmWriter(folder / "drawn.mp4", sound=film) as drawn,
        ):
            for item in reader.stream(film):
                if isinstance(item, Failure):
                    raise item.error
                frame, reading = item
                rows.write(reading)
                summary.add(reading)
                drawn.write(draw(frame.image, reading), reading.time_s or 0.0)
                frames += 1
                if not early and (reading.time_s or 0.0) >= 60:
                    early = peak_megabytes()
        summary.finish()
        rate = frames / (time.perf_counter() - start)
    late = peak_megabytes()
    print(f"{frames} frames, {arguments.minutes:g} minutes, {len(summary.people)} people, {rate:.1f} frames a second")
    print(f"peak {early:.0f} MB after the first minute, {late:.0f} MB after all (limit {MAX_GROWTH_MB} MB more)")
    return int(late - early > MAX_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
