"""Random views of a batch of faces, made on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


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
    brightness
        Largest value added, in pixel values of 0..255.
    contrast
        Largest change of the spread around the picture's mean, as a share of 1.
    flip
        Probability of mirroring.
    erase
        Probability of hiding one rectangle of 2 to 20 % of the area behind noise.
    """

    rotation: float = 12.0
    zoom: float = 0.15
    shift: float = 0.08
    brightness: float = 25.0
    contrast: float = 0.25
    flip: float = 0.5
    erase: float = 0.25

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """A new view of each picture: float pixels ``(B, 1, H, W)`` in 0..255 to the same shape and range."""

        def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
            values = torch.rand(shape, generator=generator, device=generator.device)
            return (low + (high - low) * values).to(pixels.device)

        batch = len(pixels)
        angle = uniform(batch) * math.radians(self.rotation)
        scale = torch.exp(uniform(batch) * math.log1p(self.zoom))
        mirror = torch.where(uniform(batch, low=0.0) < self.flip, -1.0, 1.0)
        moves = uniform(batch, 2) * 2 * self.shift  # the sampling grid spans -1..1, so a side is 2 long
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        rows = torch.stack((mirror * cos, -sin, moves[:, 0], mirror * sin, cos, moves[:, 1]), dim=1)
        grid = functional.affine_grid(rows.view(batch, 2, 3), list(pixels.shape), align_corners=False)
        view = functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)

        mean = view.mean(dim=(1, 2, 3), keepdim=True)
        gain = 1 + self.contrast * uniform(batch, 1, 1, 1)
        view = (view - mean) * gain + mean + self.brightness * uniform(batch, 1, 1, 1)
        return self._erase(view.clamp(0, 255), uniform)

    def _erase(self, view: Tensor, uniform: object) -> Tensor:
        """Random erasing (Zhong et al., doi:10.1609/aaai.v34i07.7000), without a loop over the batch."""
        assert callable(uniform)
        batch, _, height, width = view.shape
        area = uniform(batch, low=0.02, high=0.2) * height * width
        aspect = torch.exp(uniform(batch) * math.log(3.0))
        half_h, half_w = (area * aspect).sqrt() / 2, (area / aspect).sqrt() / 2
        centre_y, centre_x = uniform(batch, low=0.0) * height, uniform(batch, low=0.0) * width
        ys = torch.arange(height, device=view.device) + 0.5
        xs = torch.arange(width, device=view.device) + 0.5
        inside_y = (ys - centre_y[:, None]).abs() < half_h[:, None]  # (B, H)
        inside_x = (xs - centre_x[:, None]).abs() < half_w[:, None]  # (B, W)
        chosen = uniform(batch, low=0.0) < self.erase
        hidden = chosen[:, None, None] & inside_y[:, :, None] & inside_x[:, None, :]  # (B, H, W)
        return torch.where(hidden[:, None], uniform(*view.shape, low=0.0, high=255.0), view)
