"""``unmask benchmark``: speed on this machine."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from unmask.cli.text import counted, inert
from unmask.cli.values import whole


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "benchmark",
        help="measure speed on this machine",
        description="Measure the network alone (1 and 2 threads, 1 and 64 faces at a time), and whole pictures with "
        "each detector. Close other programs first.",
    )
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="photographs to read")
    parser.add_argument("--model", metavar="NAME|FILE", help="default: small, inside the package")
    parser.add_argument("--runs", type=whole(1), default=30, help="of each measurement; the median counts")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.set_defaults(run=run)


def _median_ms(action: Callable[[], object], runs: int) -> float:
    """Median time of an action in milliseconds, after one run that does not count."""
    action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    import numpy as np

    from unmask.errors import UnmaskError
    from unmask.faces import build_detector, detector_names
    from unmask.images import load
    from unmask.models import Classifier
    from unmask.reader import Reader

    network = []
    for threads in (1, 2):
        classifier = Classifier.load(arguments.model, threads=threads)
        size = classifier.card.input_size
        for batch in (1, 64):
            crops = np.random.default_rng(0).integers(0, 256, (batch, size, size), dtype=np.uint8)
            milliseconds = _median_ms(lambda c=classifier, x=crops: c.logits(x), arguments.runs) / batch  # type: ignore[misc]
            network.append({"threads": threads, "faces_at_a_time": batch, "ms_per_face": round(milliseconds, 4)})

    images = [load(path) for path in arguments.pictures]
    classifier = Classifier.load(arguments.model)
    pictures = []
    for name in detector_names():
        try:
            reader = Reader(classifier, build_detector(name))
        except UnmaskError:  # not fetched: there is nothing to measure
            continue
        for path, image in zip(arguments.pictures, images, strict=True):
            faces = len(next(reader.read(image)).faces)
            milliseconds = _median_ms(lambda r=reader, x=image: list(r.read(x)), max(3, arguments.runs // 5))  # type: ignore[misc]
            pictures.append(
                {"detector": name, "picture": path, "faces": faces, "ms_per_picture": round(milliseconds, 2)}
            )

    if arguments.format == "json":
        print(json.dumps({"model": classifier.card.identity, "network": network, "pictures": pictures}, indent=2))
        return 0
    print(f"{inert(classifier.card.identity)}, the network alone")
    for row in network:
        at_work = f"{counted(row['threads'], 'thread')}, {row['faces_at_a_time']:2} at a time"
        print(f"  {at_work}: {row['ms_per_face']:.3f} ms a face")
    print("whole pictures, decoded beforehand, one thread")
    for row in pictures:
        rate = 1000 / row["ms_per_picture"]
        speed = f"{row['ms_per_picture']:.1f} ms ({rate:.1f} a second)"
        print(f"  {row['detector']:6} {inert(row['picture'])}: {counted(row['faces'], 'face')}, {speed}")
    return 0
