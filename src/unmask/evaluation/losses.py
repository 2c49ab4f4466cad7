"""The rows that a model gets most wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.answers import Answers
from unmask.evaluation.metrics import log_losses


@dataclass(frozen=True, slots=True, eq=False)
class TopLoss:
    """One row.

    Parameters
    ----------
    row
        Position in the data set.
    image
        ``uint8 (S, S)``.
    actual, predicted
        Its label, and the likeliest one.
    probability
        Of its label.
    confidence
        Of the likeliest label.
    loss
        Minus the natural logarithm of ``probability``.
    """

    row: int
    image: NDArray[np.uint8]
    actual: str
    predicted: str
    probability: float
    confidence: float
    loss: float

    def to_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name) for name in ("row", "actual", "predicted", "probability", "confidence", "loss")
        }


def top_losses(answers: Answers, count: int = 24) -> list[TopLoss]:
    """The rows with the highest loss, the worst first; rows of the same loss in their order."""
    truth = answers.probs[np.arange(len(answers)), answers.labels]
    losses = log_losses(truth)
    labels, predicted = answers.taxonomy.labels, answers.predicted
    return [
        TopLoss(
            row=int(answers.rows[n]),
            image=answers.images[n],
            actual=str(labels[answers.labels[n]]),
            predicted=str(labels[predicted[n]]),
            probability=float(truth[n]),
            confidence=float(answers.probs[n].max()),
            loss=float(losses[n]),
        )
        for n in np.argsort(-losses, kind="stable")[:count]
    ]
