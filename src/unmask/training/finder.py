"""The learning-rate finder: the loss while the learning rate grows from nothing until the run diverges.

Smith, "Cyclical Learning Rates for Training Neural Networks" (doi:10.1109/WACV.2017.58).
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from unmask import plots
from unmask.errors import ConfigError, UnmaskError
from unmask.training.fit import Notify, Trainer
from unmask.training.optimisers import set_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMOOTHING = 0.9


@dataclass(frozen=True, slots=True)
class RateCurve:
    """What the finder saw.

    Parameters
    ----------
    rates
        Learning rate of each step.
    losses
        Loss of each step before it was taken.
    smooth
        The losses, averaged over some ten steps.
    diverged
        Whether the finder stopped because the loss had grown, and not because the rates were at their end.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    diverged: bool

    @property
    def falls(self) -> bool:
        """Whether the smoothed loss is ever lower than at the start; where it is not, no rate can be suggested."""
        return int(np.argmin(self.smooth)) >= 2

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest before its least value."""
        if not self.falls:
            return self.rates[0]
        end = int(np.argmin(self.smooth)) + 1
        slope = np.gradient(np.array(self.smooth[:end]), np.log(self.rates[:end]))
        return self.rates[int(np.argmin(slope))]

    @property
    def lowest(self) -> float:
        """The rate with the least smoothed loss; steps of this size are at the edge of diverging."""
        return self.rates[int(np.argmin(self.smooth))]

    @property
    def suggestion(self) -> float:
        """A peak for a schedule: a tenth of the rate with the least loss, but not below the steepest."""
        return max(self.steepest, self.lowest / 10)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "suggestion": self.suggestion,
            "steepest": self.steepest,
            "lowest": self.lowest,
            **asdict(self),
        }

    def plot(self) -> Figure:
        """Loss by learning rate."""
        series = {
            "loss": (self.rates, self.losses),
            "smoothed": (self.rates, self.smooth),
            f"suggested: {self.suggestion:.2g}": ([self.suggestion] * 2, [min(self.smooth), max(self.smooth)]),
        }
        return plots.lines(series, title="Learning-rate finder", x="learning rate", y="loss", log_x=True)


def find_rate(
    trainer: Trainer,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    divergence: float = 4.0,
    epoch: int = 0,
    notify: Notify = lambda event, record: None,
) -> RateCurve:
    """Take steps at exponentially growing rates, and put everything back as it was.

    Parameters
    ----------
    trainer
        Its network, data, augmentation and optimiser are used; afterwards its weights and moments are as before.
    low, high, steps
        First and last learning rate, and the number of steps between them.
    divergence
        The finder stops when the smoothed loss is this many times its least value, or not finite.
    epoch
        Epoch (from 0) whose frozen layers are frozen.

    Raises
    ------
    ConfigError
        Rates or steps that make no sense.
    UnmaskError
        The loss is not finite from the first step on.
    """
    if not (0 < low < high and steps >= 10 and divergence > 1):
        raise ConfigError(f"expected 0 < low < high and at least 10 steps, got {low}, {high} and {steps}")
    parts: tuple[Any, ...] = (trainer.network, trainer.average, trainer.optimizer, trainer.scaler)
    before = [copy.deepcopy(part.state_dict()) for part in parts]
    generator = trainer.begin(epoch)
    rates: list[float] = []
    losses: list[float] = []
    smooth: list[float] = []
    mean, diverged = 0.0, False
    try:
        for step, rows in enumerate(itertools.islice(_endless(trainer, generator), steps)):
            rate = low * (high / low) ** (step / (steps - 1))
            set_rate(trainer.optimizer, rate)
            loss = trainer.step(trainer.views(rows, generator))
            mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
            smoothed = mean / (1 - _SMOOTHING ** (step + 1))  # as if it had not begun at 0
            if not math.isfinite(loss) or (smooth and smoothed > divergence * min(smooth)):
                diverged = True
                break
            rates.append(rate)
            losses.append(loss)
            smooth.append(smoothed)
            notify("batch", {"epoch": 1, "batch": step + 1, "batches": steps, "loss": loss})
    finally:
        for part, state in zip(parts, before, strict=True):
            part.load_state_dict(state)
        trainer.optimizer.zero_grad(set_to_none=True)
        torch.manual_seed(trainer.config.seed)
    if not rates:
        raise UnmaskError("the loss is not finite from the first step on; look at the data, or lower the first rate")
    return RateCurve(tuple(rates), tuple(losses), tuple(smooth), diverged)


def _endless(trainer: Trainer, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield from trainer.batches(generator)
