"""Hypothesis strategies and helpers for data sets."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from unmask.datasets import FaceDataset
from unmask.expressions import FER2013, FERPLUS

words = st.text("abcdefghijklmnopqrstuvwxyzABC_ 0123456789-éß", min_size=1, max_size=12).filter(
    lambda word: word == word.strip()
)


@st.composite
def datasets(draw: st.DrawFn, *, max_rows: int = 8, side: int | None = None) -> FaceDataset:
    """Square grey data sets with and without labels, votes and subjects; some of their rows copies of others."""
    count = draw(st.integers(1, max_rows))
    side = side or draw(st.sampled_from([1, 3, 48]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = rng.integers(0, draw(st.sampled_from([1, 2, 256])), (count, side, side)).astype(np.uint8)
    images = images[rng.integers(0, count, count)]
    taxonomy = draw(st.sampled_from([FER2013, FERPLUS]))
    lowest = draw(st.sampled_from([-1, 0]))
    names = draw(st.lists(words, min_size=1, max_size=3))
    subjects = rng.choice(["", *names], count) if draw(st.booleans()) else None
    return FaceDataset(
        name=draw(words),
        images=images,
        labels=rng.integers(lowest, len(taxonomy), count),
        taxonomy=taxonomy,
        splits=rng.choice(draw(st.sampled_from([["Training", "PublicTest"], names])), count),
        checksum="0" * 64,
        votes=rng.integers(0, 11, (count, 10)).astype(np.uint8) if draw(st.booleans()) else None,
        subjects=subjects,
    )


def assert_same_rows(first: FaceDataset, second: FaceDataset) -> None:
    """Everything that belongs to rows is the same, in the same order."""
    assert first.taxonomy == second.taxonomy
    np.testing.assert_array_equal(first.images, second.images)
    for name in ("labels", "splits", "votes", "subjects"):
        one, two = getattr(first, name), getattr(second, name)
        assert (one is None) == (two is None), name
        if one is not None:
            assert one.tolist() == two.tolist(), name
