"""The best one-to-one pairing of two small sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(gains: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs of rows and columns with the largest sum of gains; pairs without a gain above zero are left out.

    The Hungarian method by shortest augmenting paths (Jonker and Volgenant, doi:10.1007/BF02278710), for the few faces
    of a frame.

    Parameters
    ----------
    gains
        ``(R, C)``; anything at or below zero says that the two must not be paired.
    """
    rows, columns = gains.shape
    size = max(rows, columns)
    costs = np.zeros((size, size))  # what is not paired costs nothing
    costs[:rows, :columns] = -np.maximum(gains, 0)
    row_price, column_price = np.zeros(size), np.zeros(size + 1)
    owner = np.full(size + 1, -1)  # the row that each column belongs to; the last column is where a path starts
    for row in range(size):
        owner[size] = row
        column = size
        shortest = np.full(size, np.inf)
        previous = np.full(size, -1)
        visited = np.zeros(size + 1, dtype=bool)
        while owner[column] >= 0:
            visited[column] = True
            current = owner[column]
            slack = costs[current] - row_price[current] - column_price[:size]
            better = ~visited[:size] & (slack < shortest)
            shortest[better], previous[better] = slack[better], column
            following = int(np.argmin(np.where(visited[:size], np.inf, shortest)))
            step = shortest[following]
            row_price[owner[visited]] += step
            column_price[visited] -= step
            shortest[~visited[:size]] -= step
            column = following
        while column != size:  # hand the columns along the path over
            owner[column], column = owner[previous[column]], previous[column]
    pairs = [(int(owner[column]), column) for column in range(columns) if owner[column] < rows]
    return sorted((row, column) for row, column in pairs if gains[row, column] > 0)
