"""unmask reads facial expressions from pictures on your own machine: expressions, not minds.

>>> import unmask
>>> for reading in unmask.read("photo.jpg"):                        # doctest: +SKIP
...     for face in reading.faces:
...         print(face.expression, face.confidence)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.errors import UnmaskError
    from unmask.expressions import FER2013, FERPLUS, Expression, Taxonomy
    from unmask.models import Thresholds
    from unmask.reader import Reader, load, read
    from unmask.readings import Abstention, Box, Face, Landmarks, Quality, Reading

# Loaded when first asked for, so that importing the package costs nothing.
_PUBLIC = {
    "load": "unmask.reader",
    "read": "unmask.reader",
    "Reader": "unmask.reader",
    "Reading": "unmask.readings",
    "Face": "unmask.readings",
    "Box": "unmask.readings",
    "Landmarks": "unmask.readings",
    "Quality": "unmask.readings",
    "Abstention": "unmask.readings",
    "Expression": "unmask.expressions",
    "Taxonomy": "unmask.expressions",
    "FER2013": "unmask.expressions",
    "FERPLUS": "unmask.expressions",
    "Thresholds": "unmask.models",
    "UnmaskError": "unmask.errors",
}

__all__ = [
    "FER2013",
    "FERPLUS",
    "Abstention",
    "Box",
    "Expression",
    "Face",
    "Landmarks",
    "Quality",
    "Reader",
    "Reading",
    "Taxonomy",
    "Thresholds",
    "UnmaskError",
    "load",
    "read",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("unmask")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'unmask' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
