"""Where the wrong answers come from: Grad-CAM over an evaluation's top losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.answers import head_for
from unmask.evaluation.losses import TopLoss
from unmask.explain.base import OpenNetwork
from unmask.explain.drawing import overlay
from unmask.explain.heat import grad_cam
from unmask.expressions import Taxonomy


def loss_overlays(network: OpenNetwork, losses: Sequence[TopLoss], taxonomy: Taxonomy) -> list[NDArray[np.uint8]]:
    """For each row, the face with the heat of the network's answer over it, RGB ``uint8``.

    Parameters
    ----------
    losses
        See :func:`unmask.evaluation.losses.top_losses`.
    taxonomy
        What was measured; it chooses the network's head as the evaluation did.
    """
    head = head_for(network.card, taxonomy)
    return [
        overlay(loss.image, grad_cam(network, loss.image, head)[head.taxonomy.code(loss.predicted)]) for loss in losses
    ]
