"""Local binary patterns of as many faces as FER2013 has: unmask against scikit-image.

The two run in turn on the same random faces, so that a drifting machine is fair to both. Each does what a user would
call it for: scikit-image takes corner neighbours between pixels, which costs it more. It must be installed.

usage: python benchmarks/lbp_speed.py [--faces 35887] [--runs 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

try:
    from skimage import feature
except ModuleNotFoundError:
    sys.exit("lbp_speed: scikit-image is not installed; pip install scikit-image")

from unmask.classical.lbp import lbp_images

theirs_of: Callable[..., object] = feature.local_binary_pattern


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> int:
    """Measure in turn, print medians; fails if unmask is slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=35887)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (arguments.faces, 48, 48), dtype=np.uint8)
    pairs = [
        (seconds(lambda: lbp_images(images)), seconds(lambda: [theirs_of(one, 8, 1) for one in images]))
        for _ in range(arguments.runs)
    ]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{arguments.faces:,} faces: unmask {ours:.2f} s, scikit-image {theirs:.2f} s, ratio {theirs / ours:.1f}")
    return int(ours > theirs)


if __name__ == "__main__":
    sys.exit(main())
