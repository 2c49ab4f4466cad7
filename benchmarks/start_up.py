"""One photograph as a whole process: ``unmask read`` against the least that any Python program must do.

The bare process imports NumPy, OpenCV and ONNX Runtime, decodes the photograph, opens the detector's and the model's
sessions and runs both once, looking for faces as small as unmask does. The two run in turn, so that a drifting machine
is fair to both.

usage: python benchmarks/start_up.py [PICTURE] [--runs 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 1.2

BARE = """
import sys
import numpy, cv2, onnxruntime
from mtcnnruntime import MTCNN
picture = cv2.imread(sys.argv[1])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
model = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
MTCNN().detect(picture, min_face_size=24.0)
model.run(None, {"crops": numpy.zeros((1, 48, 48), numpy.uint8)})
"""


def seconds(command: list[str]) -> float:
    """Wall time of a process that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Measure in turn, print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).parents[1]
    parser.add_argument("picture", nargs="?", default=str(root / "docs/images/astronaut.jpg"))
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    model = root / "src/unmask/weights/small/model.onnx"
    bare = [sys.executable, "-c", BARE, arguments.picture, str(model)]
    ours = [sys.executable, "-m", "unmask", "read", arguments.picture, "--detector", "mtcnn"]
    pairs = [(seconds(ours), seconds(bare)) for _ in range(arguments.runs + 1)][1:]  # the first warms the disk
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"unmask read: {statistics.median(a for a, _ in pairs):.3f} s")
    print(f"bare:        {statistics.median(b for _, b in pairs):.3f} s")
    print(f"ratio:       {ratio:.3f} (limit {LIMIT}; median of {arguments.runs} pairs)")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
