"""What a multi-class SVC decides: one machine a pair of classes, and their votes as one score a class.

As in libsvm and scikit-learn's ``decision_function_shape="ovr"``, written as matrix products, so that it can be saved.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from unmask.classical.graph import Graph


def pair_machines(machine: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each pair's machine of a fitted ``SVC``, pairs as in ``combinations``: positive for the first class.

    Returns
    -------
    Weight of each support vector ``(vectors, pairs)``, and what is added, ``(pairs,)``.

    Notes
    -----
    ``dual_coef_`` is ``(classes - 1, vectors)``: for a vector of class i, row j - 1 is its weight against class j > i,
    and row j that against class j < i. Of two classes scikit-learn turns all signs.
    """
    dual, support_counts = machine.dual_coef_, machine.n_support_
    sign = -1 if len(support_counts) == 2 else 1
    ends = np.cumsum(support_counts)
    starts = ends - support_counts
    pairs = list(combinations(range(len(support_counts)), 2))
    weights = np.zeros((dual.shape[1], len(pairs)), dtype=np.float32)
    for column, (first, second) in enumerate(pairs):
        own, other = slice(starts[first], ends[first]), slice(starts[second], ends[second])
        weights[own, column] = sign * dual[second - 1, own]
        weights[other, column] = sign * dual[first, other]
    return weights, np.asarray(sign * machine.intercept_, dtype=np.float32)


def _signs(classes: int) -> NDArray[np.float32]:
    """``(pairs, classes)``: 1 for the first class of the pair, -1 for the second."""
    signs = np.zeros((classes * (classes - 1) // 2, classes), dtype=np.float32)
    for row, (first, second) in enumerate(combinations(range(classes), 2)):
        signs[row, first], signs[row, second] = 1, -1
    return signs


def votes(decisions: NDArray[np.floating], classes: int) -> NDArray[np.float32]:
    """Scores ``(N, classes)`` from the pairs' decisions ``(N, pairs)``: pairs won, and how clearly, below 1/3."""
    signs = _signs(classes)
    sure = decisions @ signs
    won = (decisions >= 0).astype(np.float32) @ signs + (signs < 0).sum(axis=0)
    return np.asarray(won + sure / (3 * (np.abs(sure) + 1)), dtype=np.float32)


def votes_graph(graph: Graph, decisions: str, classes: int) -> str:
    """:func:`votes` as ONNX operators."""
    signs = _signs(classes)
    sure = graph.affine(decisions, signs)
    zero = graph.constant(np.float32(0))
    right = graph.op("Cast", graph.op("GreaterOrEqual", decisions, zero), to=graph.FLOAT)
    won = graph.affine(right, signs, (signs < 0).sum(axis=0))
    below = graph.affine(graph.op("Abs", sure), np.eye(classes) * 3, 3.0)
    return graph.op("Add", won, graph.op("Div", sure, below))
