"""The files that the study may use besides the data set, each optional."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unmask.errors import InputError

VGG19_HINT = "unmask models fetch vgg19-imagenet, or name a file with --weights"
MOBILENET_HINT = "unmask models fetch mobilenet_v2-imagenet, or name a file with --imagenet"


@dataclass(frozen=True)
class Inputs:
    """Where the optional files lie.

    Parameters
    ----------
    weights
        Of VGG-19's trunk; None looks for the published ones where ``unmask models fetch`` keeps them.
    imagenet
        Of MobileNetV2, from ImageNet; None looks for the published ones.
    faces
        Of MobileNetV1, trained to tell faces apart.
    votes
        FER+'s votes.
    film
        A film to read.
    """

    weights: Path | None = None
    imagenet: Path | None = None
    faces: Path | None = None
    votes: Path | None = None
    film: Path | None = None

    def __post_init__(self) -> None:
        options = {
            "weights": "--weights",
            "imagenet": "--imagenet",
            "faces": "--face-weights",
            "votes": "--ferplus",
            "film": "--film",
        }
        for name, option in options.items():
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise InputError(f"{option} {path}: no such file; check the path, or leave the option out")

    @cached_property
    def _checksums(self) -> dict[str, str]:
        return {}

    def find(self, name: str) -> Path | None:
        """The file of this name; None where it was neither given nor fetched before. Raises ModelError if damaged."""
        given: Path | None = getattr(self, name)
        published = {"weights": "vgg19-imagenet", "imagenet": "mobilenet_v2-imagenet"}
        if given is not None or name not in published:
            return given
        from unmask.networks.weights import find_published

        return find_published(published[name])

    def checksum(self, name: str) -> str:
        """SHA-256 of a file's content; empty where there is none."""
        if name not in self._checksums:
            path = self.find(name)
            self._checksums[name] = "" if path is None else _sha256(path)
        return self._checksums[name]


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
