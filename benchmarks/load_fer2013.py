"""Loading FER2013's CSV: unmask's first and later loads against ``pandas.read_csv`` and ``np.fromstring`` per row.

Each load is a process of its own, which prints its time and its peak memory; imports are not timed. The three run in
turn, so that a drifting machine is fair to all. The first load starts with an empty cache and ends with a full one.

usage: python benchmarks/load_fer2013.py fer2013.csv [--runs 5]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_RATIO, LIMIT_MB = 5.0, 400.0

_END = """
import resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(seconds, peak, images.shape[0], int(images.sum()))
"""

PANDAS = (
    """
import sys, time
import numpy as np, pandas as pd
start = time.perf_counter()
table = pd.read_csv(sys.argv[1])
images = np.stack([np.fromstring(row, dtype=np.uint8, sep=" ").reshape(48, 48) for row in table["pixels"]])
seconds = time.perf_counter() - start
"""
    + _END
)

UNMASK = (
    """
import sys, time
from unmask.datasets import load_dataset
start = time.perf_counter()
images = load_dataset(sys.argv[1]).images
seconds = time.perf_counter() - start
"""
    + _END
)


def measure(code: str, path: Path, cache: str) -> tuple[float, float, tuple[int, int]]:
    """Seconds, peak megabytes, and rows with the sum of all pixels, of one load in a new process."""
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "UNMASK_CACHE": cache},
    )
    seconds, peak, rows, total = result.stdout.split()
    return float(seconds), float(peak), (int(rows), int(total))


def main() -> int:
    """Measure in turn, print medians, and fail when a limit is passed or the pixels differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    measured: dict[str, list[tuple[float, float, tuple[int, int]]]] = {"pandas": [], "first load": [], "later load": []}
    for _ in range(arguments.runs):
        cache = tempfile.mkdtemp()
        try:
            measured["pandas"].append(measure(PANDAS, arguments.csv, cache))
            measured["first load"].append(measure(UNMASK, arguments.csv, cache))
            measured["later load"].append(measure(UNMASK, arguments.csv, cache))
        finally:
            shutil.rmtree(cache)
    contents = {content for runs in measured.values() for _, _, content in runs}
    if len(contents) != 1:
        print(f"the loads differ: {contents}")
        return 1
    for name, runs in measured.items():
        seconds, peak = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
        print(f"{name:10}  {seconds:7.3f} s  peak {peak:5.0f} MB")
    pairs = zip(measured["pandas"], measured["first load"], strict=True)
    ratio = statistics.median(slow[0] / fast[0] for slow, fast in pairs)
    peak = max(run[1] for run in measured["first load"])
    print(f"first load {ratio:.1f} times faster (at least {LIMIT_RATIO}), peak {peak:.0f} MB (at most {LIMIT_MB:.0f})")
    return int(ratio < LIMIT_RATIO or peak > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
