"""Scores that follow a face calmly from frame to frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError

SMOOTH_S = 0.2
"""Time constant that films and cameras are read with unless the user sets another."""


def check_smooth(seconds: float) -> None:
    """Raises ConfigError for a time constant that is negative or not finite."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ConfigError(f"smooth {seconds} s: expected 0 (off) or a time above it")


class Smoother:
    """An exponential filter of probabilities with a time constant in seconds, for each person by itself.

    ``s += (1 - exp(-dt / smooth_s)) * (p - s)``, ``dt`` being the time since the person's last frame: right under any
    frame rate, and after a long absence nearly a fresh start. It looks only back, so it lags: a slow change is shown
    ``smooth_s`` late, and of a sudden one 63 % after ``smooth_s`` and 95 % after three times that. A weighted mean of
    probabilities sums to 1 again.

    Parameters
    ----------
    smooth_s
        The time constant; 0 leaves the scores as they are.

    Raises
    ------
    ConfigError
        A time constant that is negative or not finite.
    """

    def __init__(self, smooth_s: float = SMOOTH_S) -> None:
        check_smooth(smooth_s)
        self.smooth_s = smooth_s
        self._state: dict[int, tuple[float, NDArray[np.float64]]] = {}

    def smooth(self, person: int, time_s: float, probs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Smoothed probabilities ``(C,)`` of a person in the next frame, of its probabilities ``(C,)``."""
        before = self._state.get(person)
        if before is not None and self.smooth_s > 0:
            weight = 1 - math.exp(-max(time_s - before[0], 0.0) / self.smooth_s)
            probs = before[1] + weight * (probs - before[1])
        self.restore(person, time_s, probs)
        return probs

    def restore(self, person: int, time_s: float, smoothed: NDArray[np.float64]) -> None:
        """Go on from smoothed probabilities ``(C,)``; they are all that the filter remembers of a person."""
        self._state[person] = time_s, smoothed
