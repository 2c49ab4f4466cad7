"""Where things are in a view: one homography a picture, composed of all moves, applied by one resampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from unmask.training.draws import Draws

PADDINGS = ("reflection", "border", "zeros")


def homographies(
    batch: int,
    draws: Draws,
    *,
    rotation: float = 0.0,
    zoom: float = 0.0,
    shift: float = 0.0,
    warp: float = 0.0,
    crop: float = 0.0,
    flip: float = 0.0,
) -> Tensor:
    """Random maps ``(B, 3, 3)`` from a place in the view to its place in the picture, both axes spanning -1..1.

    The parameters are those of :class:`unmask.training.augment.Augmentation`.
    """
    angle = draws.uniform(batch) * math.radians(rotation)
    scale = torch.exp(draws.uniform(batch) * math.log1p(zoom))
    mirror = torch.where(draws.chance(batch, flip), -1.0, 1.0)
    moves = draws.uniform(batch, 2) * 2 * shift  # a side is 2 long
    kept = 1 - draws.uniform(batch, low=0.0) * crop
    corner = draws.uniform(batch, 2) * (1 - kept)[:, None]
    tilt = draws.uniform(batch, 2) * warp

    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    turned = _matrices((mirror * cos, -sin, moves[:, 0]), (mirror * sin, cos, moves[:, 1]), (zero, zero, one))
    window = _matrices((kept, zero, corner[:, 0]), (zero, kept, corner[:, 1]), (zero, zero, one))
    # The denominator grows along the tilt, so one edge is seen from farther away than the other.
    tilted = _matrices((one, zero, zero), (zero, one, zero), (tilt[:, 0], tilt[:, 1], one))
    return turned @ window @ tilted


def _matrices(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def resample(pixels: Tensor, maps: Tensor, *, padding: str = "reflection") -> Tensor:
    """Pictures ``(B, C, H, W)`` seen through maps ``(B, 3, 3)``, bilinear, to the same shape."""
    height, width = pixels.shape[-2:]
    ys = (torch.arange(height, device=pixels.device) * 2 + 1) / height - 1  # centres of the pixels
    xs = (torch.arange(width, device=pixels.device) * 2 + 1) / width - 1
    grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
    places = torch.stack((grid_x, grid_y, torch.ones_like(grid_x))).reshape(3, -1)  # (3, HW)
    # One product for the whole batch; a small one for each picture takes several times as long.
    across, down, depth = (maps.reshape(-1, 3) @ places).view(len(pixels), 3, height, width).unbind(1)
    grid = torch.stack((across / depth, down / depth), dim=-1)
    return functional.grid_sample(pixels, grid, padding_mode=padding, align_corners=False)
