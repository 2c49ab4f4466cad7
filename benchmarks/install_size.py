"""How much a bare install weighs: run it with the Python of an environment that holds unmask and nothing else.

Prints the size of site-packages, pip included, and the number of packages. The exit code is 1 when one is too large.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import sysconfig
from pathlib import Path

MAX_MEGABYTES = 400
MAX_PACKAGES = 25


def main() -> int:
    """Measure and compare."""
    site = Path(sysconfig.get_paths()["purelib"])
    megabytes = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 1e6
    packages = sorted({str(found.metadata["Name"]) for found in importlib.metadata.distributions()})
    print(f"{megabytes:.0f} MB in {len(packages)} packages: {', '.join(packages)}")
    if importlib.util.find_spec("torch"):
        print("torch is installed: this is no bare install")
        return 1
    return int(megabytes > MAX_MEGABYTES or len(packages) > MAX_PACKAGES)


if __name__ == "__main__":
    sys.exit(main())
