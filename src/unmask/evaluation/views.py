"""Test-time views: the same face a little otherwise, the logits averaged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError

SHIFT = 2
"""How far the four outer views of ten look to each side, in pixels."""

_CORNERS = ((0, 0), (-SHIFT, -SHIFT), (-SHIFT, SHIFT), (SHIFT, -SHIFT), (SHIFT, SHIFT))
_PLANS = {1: ((0, 0),), 2: ((0, 0),), 10: _CORNERS}

VIEWS = tuple(_PLANS)
"""Known numbers of views: the crop; and its mirror image; and both looked at from the middle and four corners."""


def views_of(crops: NDArray[np.uint8], count: int) -> Iterator[NDArray[np.uint8]]:
    """Each view of crops ``uint8 (N, S, S)``, of the same shape; beyond the edge, the edge is repeated.

    The first view is the crops themselves. Ten views are the ten crops of Krizhevsky et al. (2012), restated for a
    network that wants the whole face.

    Raises
    ------
    ConfigError
        Another number of views than :data:`VIEWS`.
    """
    if count not in _PLANS:
        raise ConfigError(f"views: expected one of {', '.join(map(str, VIEWS))}, got {count}")
    side = crops.shape[1]
    padded = np.pad(crops, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    for down, across in _PLANS[count]:
        top, left = SHIFT + down, SHIFT + across
        view = padded[:, top : top + side, left : left + side]
        yield view
        if count > 1:
            yield view[:, :, ::-1]
