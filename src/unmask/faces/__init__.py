"""Faces in a picture: detectors by name, aligned crops, and how well a face can be seen."""

from __future__ import annotations

from typing import Protocol

from unmask.errors import ModelError, UnknownModelError, suggest
from unmask.faces.alignment import crop
from unmask.faces.base import Detection, Detector, left_to_right
from unmask.faces.quality import measure

__all__ = [
    "Detection",
    "Detector",
    "build_detector",
    "crop",
    "detector_names",
    "left_to_right",
    "measure",
    "register_detector",
]


class Builder(Protocol):
    """Makes a detector; imports what it needs only when called."""

    def __call__(self, *, threads: int) -> Detector: ...


_BUILDERS: dict[str, Builder] = {}


def register_detector(name: str, build: Builder) -> None:
    """Make a detector known under a name. Raises ValueError when the name is taken."""
    if name in _BUILDERS:
        raise ValueError(f"a detector named '{name}' is registered already")
    _BUILDERS[name] = build


def detector_names() -> list[str]:
    """Every registered name, sorted; building one may still need its file fetched."""
    return sorted(_BUILDERS)


def build_detector(name: str | None = None, *, threads: int = 1) -> Detector:
    """A new detector.

    Parameters
    ----------
    name
        None takes ``yunet`` where its file has been fetched, and else ``mtcnn``.
    threads
        Of its networks, where the detector can be told.

    Raises
    ------
    UnknownModelError
        The name is not registered.
    ModelError
        A file that the detector needs is missing or damaged.
    """
    if name is None:
        from unmask.models import store  # not needed by those who name a detector

        name = "mtcnn" if store.find("yunet") is None else "yunet"
    if name not in _BUILDERS:
        raise UnknownModelError(f"unknown detector '{name}'; {suggest(name, _BUILDERS)}")
    return _BUILDERS[name](threads=threads)


def _mtcnn(*, threads: int) -> Detector:
    from unmask.faces.mtcnn import MtcnnDetector

    return MtcnnDetector(threads=threads)


def _yunet(*, threads: int) -> Detector:
    from unmask.faces.yunet import YunetDetector
    from unmask.models import store

    path = store.find("yunet")
    if path is None:
        raise ModelError(
            f"detector 'yunet': {store.FETCHABLE['yunet'].file_name} is not in {store.models_folder()}; "
            f"run: unmask models fetch yunet, or name the folder that holds it in {store.FOLDER_VARIABLE}"
        )
    return YunetDetector(path)


def _whole(*, threads: int) -> Detector:
    from unmask.faces.whole import WholeDetector

    return WholeDetector()


register_detector("mtcnn", _mtcnn)
register_detector("whole", _whole)
register_detector("yunet", _yunet)
