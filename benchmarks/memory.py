"""Peak memory of reading many pictures: it must not grow with their number.

Reads the same picture under COUNT names in one process and prints the peak after a tenth of them and after all.

usage: python benchmarks/memory.py [PICTURE] [--count 2000] [--workers 2]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import unmask

MAX_GROWTH_MB = 25


def peak_megabytes() -> float:
    """Largest resident memory of this process so far (``ru_maxrss`` counts bytes on macOS, kilobytes elsewhere)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> int:
    """Read, and compare the two peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default=str(Path(__file__).parents[1] / "docs/images/astronaut.jpg"))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    picture = Path(arguments.picture).resolve()
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.count):
            (Path(name) / f"{number:06}{picture.suffix}").symlink_to(picture)
        reader = unmask.load()
        start, early = time.perf_counter(), 0.0
        paths = sorted(Path(name).iterdir())
        for done, _ in enumerate(reader.read(paths, workers=arguments.workers), 1):
            if done == max(1, arguments.count // 10):
                early = peak_megabytes()
        rate = arguments.count / (time.perf_counter() - start)
    late = peak_megabytes()
    print(f"{arguments.count} pictures at {rate:.1f} a second: {early:.0f} MB after a tenth, {late:.0f} MB after all")
    return int(late - early > MAX_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
