"""Random views of a batch of faces, made on the device that trains.

A view goes through three stages: where things are (:mod:`unmask.training.geometry`), how the light falls, and what the
camera spoils (:mod:`unmask.training.degrade`); last, a rectangle is hidden.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.errors import ConfigError
from unmask.training.degrade import add_noise, blur, coarsen, erase
from unmask.training.draws import Draws
from unmask.training.geometry import PADDINGS, homographies, resample
from unmask.training.typed import check_ranges

_SHARES = ("flip", "erase", "degrade")
_HIGHEST = {"warp": 0.4, "crop": 0.9, "blur": 8.0, "low_resolution": 12.0}


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Ranges from which each picture's changes are drawn, uniformly; 0 leaves one out.

    Parameters
    ----------
    rotation
        Degrees to either side.
    zoom
        Largest change of scale, as a share of 1: ``0.15`` draws from 1 / 1.15 to 1.15.
    shift
        Largest move along each axis, as a share of the picture's side.
    warp
        Symmetric warp: how far the face is tilted to either side and up or down, 0 to 0.4. At 0.2 the near edge is half
        again as long as the far one.
    crop
        Largest share of the side that a random crop cuts off; the rest is scaled back to the picture's size.
    padding
        What is seen beyond the edge: ``reflection``, ``border`` (the edge repeated) or ``zeros``.
    brightness
        Largest value added, in pixel values of 0..255.
    contrast
        Largest change of the spread around the picture's mean, as a share of 1.
    flip
        Probability of mirroring.
    erase
        Probability of hiding one rectangle of 2 to 20 % of the area behind noise.
    blur
        Largest spread of a Gaussian blur, in pixels.
    noise
        Largest spread of Gaussian noise, in pixel values of 0..255.
    low_resolution
        Largest factor by which a picture is reduced and enlarged again: ``3`` draws from 1 to 3.
    degrade
        Probability with which each of blur, noise and low resolution acts on a picture.

    Raises
    ------
    ConfigError
        A range that makes no sense.
    """

    rotation: float = 12.0
    zoom: float = 0.15
    shift: float = 0.08
    warp: float = 0.0
    crop: float = 0.0
    padding: str = "reflection"
    brightness: float = 25.0
    contrast: float = 0.25
    flip: float = 0.5
    erase: float = 0.25
    blur: float = 0.0
    noise: float = 0.0
    low_resolution: float = 0.0
    degrade: float = 0.5

    def __post_init__(self) -> None:
        if self.padding not in PADDINGS:
            raise ConfigError(f"padding = {self.padding!r}: expected one of {', '.join(PADDINGS)}")
        amounts = [field.name for field in dataclasses.fields(self) if field.name != "padding"]
        highest = dict.fromkeys(amounts, 1e3) | dict.fromkeys(_SHARES, 1.0) | _HIGHEST
        rules = {key: (0 <= getattr(self, key) <= most, f"0 to {most:g}") for key, most in highest.items()}
        coarser, _ = rules["low_resolution"]
        coarser &= not 0 < self.low_resolution < 1
        rules["low_resolution"] = (coarser, f"0, or 1 to {highest['low_resolution']:g}")
        check_ranges(self, rules)

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """A new view of each picture: float pixels ``(B, 1, H, W)`` in 0..255 to the same shape and range."""
        draws = Draws(generator, pixels.device)
        view = self._move(pixels, draws)
        view = self._light(view, draws)
        view = self._spoil(view, draws)
        return erase(view, draws, self.erase) if self.erase else view

    def _move(self, pixels: Tensor, draws: Draws) -> Tensor:
        if not any((self.rotation, self.zoom, self.shift, self.warp, self.crop, self.flip)):
            return pixels
        maps = homographies(
            len(pixels),
            draws,
            rotation=self.rotation,
            zoom=self.zoom,
            shift=self.shift,
            warp=self.warp,
            crop=self.crop,
            flip=self.flip,
        )
        return resample(pixels, maps, padding=self.padding)

    def _light(self, view: Tensor, draws: Draws) -> Tensor:
        if not (self.brightness or self.contrast):
            return view
        mean = view.mean(dim=(1, 2, 3), keepdim=True)
        gain = 1 + self.contrast * draws.uniform(len(view), 1, 1, 1)
        return ((view - mean) * gain + mean + self.brightness * draws.uniform(len(view), 1, 1, 1)).clamp(0, 255)

    def _spoil(self, view: Tensor, draws: Draws) -> Tensor:
        """What a poor camera does, in its order: out of focus, few pixels, noise."""
        if self.blur:
            view = blur(view, self._amounts(draws, len(view)) * self.blur)
        if self.low_resolution:
            view = coarsen(view, 1 + self._amounts(draws, len(view)) * (self.low_resolution - 1))
        if self.noise:
            view = add_noise(view, self._amounts(draws, len(view)) * self.noise, draws)
        return view

    def _amounts(self, draws: Draws, batch: int) -> Tensor:
        """0 to 1 for each picture, 0 where the change does not act, ``(B,)``."""
        amounts = draws.uniform(batch, low=0.0)
        return torch.where(draws.chance(batch, self.degrade), amounts, torch.zeros_like(amounts))
