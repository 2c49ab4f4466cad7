"""Seeded splits that keep all copies of an image on one side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def holdout_mask(groups: NDArray[np.int64], fraction: float, *, seed: int) -> NDArray[np.bool_]:
    """Mask ``(N,)`` of a random ``fraction`` of the rows, never parting a group.

    Parameters
    ----------
    groups
        Group number of each row, ``(N,)``.
    fraction
        Share of the rows to hold out, 0 to 1; reached to within one group.
    seed
        Of the draw; the same seed on the same groups gives the same rows.
    """
    unique, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(unique))
    taken = np.cumsum(counts[order]) <= fraction * len(groups)
    chosen = np.zeros(len(unique), dtype=bool)
    chosen[order[taken]] = True
    return chosen[inverse]
