"""Draw docs/images/augmentation.png: what each ingredient of the augmentation does to the astronaut's face.

usage: python docs/make_gallery.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import unmask
from unmask.plots import to_png
from unmask.training.pictures import gallery

ROOT = Path(__file__).resolve().parents[1]


def astronaut_face() -> np.ndarray:
    """The face in the repository's photograph, grey, 48 by 48 pixels, with some room around the detector's box."""
    photo = ROOT / "docs/images/astronaut.jpg"
    box = unmask.read(photo)[0].faces[0].box
    grey = cv2.imread(str(photo), cv2.IMREAD_GRAYSCALE)
    centre_x, centre_y, side = (
        (box.x1 + box.x2) / 2,
        (box.y1 + box.y2) / 2,
        1.15 * max(box.x2 - box.x1, box.y2 - box.y1),
    )
    left, top = round(centre_x - side / 2), round(centre_y - side / 2)
    crop = grey[top : top + round(side), left : left + round(side)]
    return np.asarray(cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    (ROOT / "docs/images/augmentation.png").write_bytes(to_png(gallery(astronaut_face()), dpi=110))
