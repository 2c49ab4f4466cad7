"""How the learning rate and the momentum change from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

_START, _END = 1 / 25, 1e-4  # of one cycle, as shares of its peak
_MOMENTUM = (0.95, 0.85)  # at the ends of a cycle and at its peak


def cosine(step: int, steps: int, warmup: int) -> float:
    """Linear rise over ``warmup`` steps, then half a cosine from 1 that would reach 0 one step after the last."""
    if step < warmup:
        return (step + 1) / warmup
    return _fall(step, steps, warmup)


def one_cycle(step: int, steps: int, warmup: int) -> float:
    """Half a cosine from a 25th up to 1 over ``warmup`` steps, then half a cosine towards a ten-thousandth.

    Smith and Topin, "Super-Convergence" (arXiv:1708.07120), with the cosines that are in common use.
    """
    if step < warmup:
        return _START + (1 - _START) * _rise(step, warmup)
    return _END + (1 - _END) * _fall(step, steps, warmup)


def constant(step: int, steps: int, warmup: int) -> float:
    """Linear rise over ``warmup`` steps, then 1."""
    return min(1.0, (step + 1) / max(1, warmup))


Schedule = Callable[[int, int, int], float]
"""From a step, the number of steps and of those that rise, to the share of the peak's learning rate."""

SCHEDULES: Mapping[str, Schedule] = {"cosine": cosine, "one-cycle": one_cycle, "constant": constant}


def cycled_momentum(step: int, steps: int, warmup: int) -> float:
    """The momentum that goes with :func:`one_cycle`: low where the learning rate is high."""
    high, low = _MOMENTUM
    height = _rise(step, warmup) if step < warmup else _fall(step, steps, warmup)
    return high + (low - high) * height


def _rise(step: int, warmup: int) -> float:
    return 0.5 * (1 - math.cos(math.pi * step / warmup))


def _fall(step: int, steps: int, warmup: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
