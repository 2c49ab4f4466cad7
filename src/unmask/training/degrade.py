"""What cameras and things before them do to a picture, for each picture of a batch by its own amount.

Everything takes and gives float pixels ``(B, C, H, W)`` in 0..255.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unmask.training.draws import Draws


def blur(pixels: Tensor, spreads: Tensor) -> Tensor:
    """Gaussian blur of spread ``spreads[i]`` pixels, ``(B,)``; 0 leaves a picture as it is."""
    height, width = pixels.shape[-2:]
    return _along_axes(pixels, _gaussian_axis(height, spreads), _gaussian_axis(width, spreads))


def _gaussian_axis(side: int, spreads: Tensor) -> Tensor:
    """Matrices ``(B, side, side)`` that blur one axis; at the edges the kernel is cut and scaled to sum to 1."""
    pixel = torch.arange(side, device=spreads.device, dtype=spreads.dtype)
    # The least spread is so small that all of the kernel's mass lies on its centre.
    distance = (pixel[:, None] - pixel) / spreads.clamp(min=1e-2)[:, None, None]
    return torch.softmax(-0.5 * distance.square(), dim=2)


def _along_axes(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Each picture times its matrix from the left and the other from the right.

    A face is so small that a dense product is faster than a convolution with one kernel a picture.
    """
    return rows[:, None] @ pixels @ columns.transpose(1, 2)[:, None]


def coarsen(pixels: Tensor, factors: Tensor) -> Tensor:
    """Reduce by ``factors[i]``, ``(B,)``, averaging over cells, and enlarge again bilinearly; 1 leaves a picture."""
    height, width = pixels.shape[-2:]
    return _along_axes(pixels, _coarse_axis(height, factors), _coarse_axis(width, factors))


def _coarse_axis(side: int, factors: Tensor) -> Tensor:
    """Matrices ``(B, side, side)`` that reduce and enlarge one axis."""
    factor = factors[:, None, None]
    pixel = torch.arange(side, device=factors.device, dtype=factors.dtype)
    cell = pixel[None, :, None]
    # Averaging: how much of each pixel lies in each cell.
    overlap = torch.minimum(pixel + 1, (cell + 1) * factor) - torch.maximum(pixel, cell * factor)
    overlap = overlap.clamp(min=0)
    down = overlap / overlap.sum(dim=2, keepdim=True).clamp(min=1e-6)  # (B, cell, pixel)
    # Interpolating between the centres of the cells; beyond the outer centres the outer cells are repeated.
    last = torch.ceil(side / factors)[:, None, None] - 1
    place = ((pixel[None, :, None] + 0.5) / factor - 0.5).clamp(min=0).minimum(last)
    up = (1 - (place - pixel[None, None, :]).abs()).clamp(min=0)  # (B, pixel, cell)
    return up @ down


def add_noise(pixels: Tensor, spreads: Tensor, draws: Draws) -> Tensor:
    """Gaussian noise of spread ``spreads[i]`` grey levels, ``(B,)``."""
    return (pixels + spreads[:, None, None, None] * draws.normal(*pixels.shape)).clamp(0, 255)


def erase(pixels: Tensor, draws: Draws, probability: float) -> Tensor:
    """Random erasing (Zhong et al., doi:10.1609/aaai.v34i07.7000): noise over a rectangle of 2 to 20 % of the area."""
    batch, _, height, width = pixels.shape
    area = draws.uniform(batch, low=0.02, high=0.2) * height * width
    aspect = torch.exp(draws.uniform(batch) * math.log(3.0))
    half_h, half_w = (area * aspect).sqrt() / 2, (area / aspect).sqrt() / 2
    centre_y, centre_x = draws.uniform(batch, low=0.0) * height, draws.uniform(batch, low=0.0) * width
    ys = torch.arange(height, device=pixels.device) + 0.5
    xs = torch.arange(width, device=pixels.device) + 0.5
    inside_y = (ys - centre_y[:, None]).abs() < half_h[:, None]  # (B, H)
    inside_x = (xs - centre_x[:, None]).abs() < half_w[:, None]  # (B, W)
    chosen = draws.chance(batch, probability)
    hidden = (chosen[:, None, None] & inside_y[:, :, None] & inside_x[:, None, :])[:, None].expand_as(pixels)
    noise = draws.uniform(int(hidden.sum()), low=0.0, high=255.0)  # no more than is seen: drawing takes longest here
    return pixels.masked_scatter(hidden, noise)
