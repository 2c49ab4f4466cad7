"""Loading FER2013's CSV: unmask's first and later loads against ``pandas.read_csv`` and ``np.fromstring`` per row.

Each load is a process of its own, which prints its time, the processor time of all its threads and its peak memory;
imports are not timed. The three run in turn, so that a drifting machine is fair to all, and the quickest run of each
counts, which other work on the machine disturbed least. The first load starts with an empty cache and fills it.

usage: python benchmarks/load_fer2013.py fer2013.csv [--runs 5]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

LIMIT_RATIO, LIMIT_MB = 5.0, 400.0

_END = """
import resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(seconds, processor, peak, images.shape[0], int(images.sum()))
"""

PANDAS = (
    """
import sys, time
import numpy as np, pandas as pd
start, began = time.perf_counter(), time.process_time()
table = pd.read_csv(sys.argv[1])
images = np.stack([np.fromstring(row, dtype=np.uint8, sep=" ").reshape(48, 48) for row in table["pixels"]])
seconds, processor = time.perf_counter() - start, time.process_time() - began
"""
    + _END
)

UNMASK = (
    """
import sys, time
from unmask.datasets import load_dataset
start, began = time.perf_counter(), time.process_time()
images = load_dataset(sys.argv[1]).images
seconds, processor = time.perf_counter() - start, time.process_time() - began
"""
    + _END
)


class Load(NamedTuple):
    """One load: seconds on the clock and of the processors, peak in megabytes, rows, and the sum of all pixels."""

    seconds: float
    processor: float
    peak: float
    rows: int
    total: int


def measure(code: str, path: Path, cache: str) -> Load:
    """One load in a new process."""
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "UNMASK_CACHE": cache},
    )
    seconds, processor, peak, rows, total = result.stdout.split()
    return Load(float(seconds), float(processor), float(peak), int(rows), int(total))


def main() -> int:
    """Measure in turn, print, and fail when a limit is passed or the pixels differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    measured: dict[str, list[Load]] = {"pandas": [], "first load": [], "later load": []}
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as cache:
            measured["pandas"].append(measure(PANDAS, arguments.csv, cache))
            measured["first load"].append(measure(UNMASK, arguments.csv, cache))
            measured["later load"].append(measure(UNMASK, arguments.csv, cache))
    contents = {(load.rows, load.total) for loads in measured.values() for load in loads}
    if len(contents) != 1:
        print(f"the loads differ: {contents}")
        return 1
    best = {name: min(loads) for name, loads in measured.items()}
    for name, load in best.items():
        print(f"{name:10}  {load.seconds:7.3f} s, of processors {load.processor:7.3f} s, peak {load.peak:4.0f} MB")
    ratio = best["pandas"].seconds / best["first load"].seconds
    peak = max(load.peak for load in measured["first load"])
    print(f"first load {ratio:.1f} times faster (at least {LIMIT_RATIO}), peak {peak:.0f} MB (at most {LIMIT_MB:.0f})")
    return int(ratio < LIMIT_RATIO or peak > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
