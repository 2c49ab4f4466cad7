"""Random numbers for a batch, from one seeded generator, on the device that trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws on the generator's device and hands over on ``device``."""

    generator: torch.Generator
    device: torch.device

    def uniform(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        """Values from ``low`` to ``high``."""
        values = torch.rand(shape, generator=self.generator, device=self.generator.device)
        return (low + (high - low) * values).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Values of mean 0 and spread 1."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device).to(self.device)

    def chance(self, batch: int, probability: float) -> Tensor:
        """Mask ``(batch,)`` that is true with the given probability."""
        return self.uniform(batch, low=0.0) < probability
