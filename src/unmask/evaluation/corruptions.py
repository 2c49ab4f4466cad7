"""The same faces out of focus, in the dark, noisy, small, turned and partly hidden, and what a model still reads.

Each way is a function of crops, a strength and a random generator, registered under a name with the strengths that are
measured; the same seed gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, suggest
from unmask.evaluation.answers import Answers, Predictor
from unmask.evaluation.metrics import evaluate_probs

Crops = NDArray[np.uint8]
"""``(N, S, S)``."""

Damage = Callable[[Crops, float, np.random.Generator], Crops]
"""Crops, strength and generator to damaged crops of the same shape."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """A way in which crops get worse.

    Parameters
    ----------
    name
        What happens to them.
    unit
        What the strength means, with ``{}`` in its place.
    strengths
        Those that are measured, the mildest first.
    apply
        Does it.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Damage = field(repr=False)

    def describe(self, strength: float) -> str:
        """The strength in words.

        >>> corruptions()["small"].describe(16)
        '16 px wide, enlarged'
        """
        return self.unit.format(f"{strength:g}")


_CORRUPTIONS: dict[str, Corruption] = {}


def register_corruption(corruption: Corruption) -> None:
    """Add a way. Raises ValueError when its name is taken."""
    if corruption.name in _CORRUPTIONS:
        raise ValueError(f"a corruption named '{corruption.name}' is registered already")
    _CORRUPTIONS[corruption.name] = corruption


def corruptions() -> dict[str, Corruption]:
    """Every registered way by its name, in order of registration."""
    return dict(_CORRUPTIONS)


def check_corruptions(names: Sequence[str]) -> None:
    """Raise ConfigError for a name that is not registered."""
    for name in names:
        if name not in _CORRUPTIONS:
            raise ConfigError(f"unknown corruption '{name}'; {suggest(name, _CORRUPTIONS)}")


def blur(crops: Crops, sigma: float, generator: np.random.Generator) -> Crops:
    """Out of focus: a Gaussian of ``sigma`` crop pixels."""
    return np.stack([cv2.GaussianBlur(crop, (0, 0), sigma) for crop in crops]).astype(np.uint8)


def darken(crops: Crops, light: float, generator: np.random.Generator) -> Crops:
    """Only a share ``light`` of the light, with the noise of counting it: in full light, white is 1,000 photons."""
    photons = crops * (1000 / 255 * light)
    counted = generator.poisson(photons).astype(np.float64)
    return np.clip(counted * (255 / 1000), 0, 255).round().astype(np.uint8)


def add_noise(crops: Crops, sigma: float, generator: np.random.Generator) -> Crops:
    """Gaussian noise of ``sigma`` grey levels."""
    noise = generator.normal(0, sigma, crops.shape)
    return np.clip(crops + noise, 0, 255).round().astype(np.uint8)


def shrink(crops: Crops, side: float, generator: np.random.Generator) -> Crops:
    """As a camera gives a face of ``side`` pixels, enlarged again to the crop's size."""
    size = (round(side), round(side))
    return np.stack(
        [
            cv2.resize(
                cv2.resize(crop, size, interpolation=cv2.INTER_AREA), crop.shape[::-1], interpolation=cv2.INTER_CUBIC
            )
            for crop in crops
        ]
    ).astype(np.uint8)


def turn(crops: Crops, degrees: float, generator: np.random.Generator) -> Crops:
    """Turned in the plane of the picture by ``degrees`` to a random side; the edge is repeated beyond the crop."""
    side = crops.shape[1]
    middle = ((side - 1) / 2, (side - 1) / 2)
    signs = generator.choice([-1, 1], len(crops))
    return np.stack(
        [
            cv2.warpAffine(
                crop,
                cv2.getRotationMatrix2D(middle, sign * degrees, 1.0),
                (side, side),
                borderMode=cv2.BORDER_REPLICATE,
            )
            for crop, sign in zip(crops, signs, strict=True)
        ]
    ).astype(np.uint8)


def hide_square(crops: Crops, share: float, generator: np.random.Generator) -> Crops:
    """A black square over a ``share`` of the crop, at a random place."""
    side = crops.shape[1]
    edge = round(side * share**0.5)
    corners = generator.integers(0, side - edge + 1, (len(crops), 2))
    hidden = crops.copy()
    for crop, (top, left) in zip(hidden, corners, strict=True):
        crop[top : top + edge, left : left + edge] = 0
    return hidden


def hide_band(crops: Crops, top: float, bottom: float) -> Crops:
    """A black band from ``top`` to ``bottom``, as shares of the crop's side, from edge to edge."""
    side = crops.shape[1]
    hidden = crops.copy()
    hidden[:, round(top * side) : round(bottom * side)] = 0
    return hidden


def evaluate_corrupted(
    answers: Answers, predict: Predictor, *, chosen: Sequence[str] | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Figures on the rows of ``answers``, damaged in every way and strength; the first entry is the rows as they are.

    Parameters
    ----------
    predict
        See :func:`unmask.evaluation.answers.predictor`; the one that gave the answers.
    chosen
        Names of the ways; None takes all.
    seed
        Each way and strength draws from a generator of its own, so leaving one out changes no other.

    Raises
    ------
    ConfigError
        A name that is not registered.

    Returns
    -------
    Entries ready for JSON: ``corruption``, ``strength`` in words, and the figures of
    :func:`unmask.evaluation.metrics.evaluate_probs`.
    """
    check_corruptions(chosen or ())
    entries = [_entry("none", "", answers.probs, answers)]
    for number, corruption in enumerate(_CORRUPTIONS.values()):
        if chosen is not None and corruption.name not in chosen:
            continue
        for strength in corruption.strengths:
            generator = np.random.default_rng([seed, number, round(strength * 1000)])
            probs = predict(corruption.apply(answers.images, strength, generator))
            entries.append(_entry(corruption.name, corruption.describe(strength), probs, answers))
    return entries


def _entry(name: str, strength: str, probs: NDArray[np.float64], answers: Answers) -> dict[str, Any]:
    figures = evaluate_probs(probs, answers.labels, answers.taxonomy)
    return {"corruption": name, "strength": strength, **figures}


# Eyes and mouth lie where unmask.faces.alignment puts them: at 0.38 and 0.76 of the crop's height.
register_corruption(Corruption("blurred", "sigma {} px", (1.0, 2.0), blur))
register_corruption(Corruption("dark", "{} of the light", (0.2, 0.05), darken))
register_corruption(Corruption("noisy", "sigma {} grey levels", (10.0, 20.0), add_noise))
register_corruption(Corruption("small", "{} px wide, enlarged", (32.0, 24.0, 16.0), shrink))
register_corruption(Corruption("turned", "{} degrees", (10.0, 20.0, 30.0), turn))
register_corruption(Corruption("partly hidden", "a square of {} of the crop", (0.1, 0.25), hide_square))
register_corruption(
    Corruption(
        "eyes hidden", "a band over them", (1.0,), lambda crops, strength, generator: hide_band(crops, 0.25, 0.5)
    )
)
register_corruption(
    Corruption("mouth hidden", "as by a mask", (1.0,), lambda crops, strength, generator: hide_band(crops, 0.6, 1.0))
)
