"""Hypothesis strategies for the value types; every value that they give is valid."""

from __future__ import annotations

import string
from collections.abc import Sequence

from hypothesis import strategies as st

from unmask.expressions import FERPLUS, Expression
from unmask.readings import Abstention, Box, Face, Landmarks, Quality, Reading, normalised_scores

coordinates = st.floats(-1e4, 1e4, allow_nan=False)
names = st.text(max_size=30)
"""Any text, so also what file names must never hold; without lone surrogates."""

undecodable_names = st.text(st.characters(exclude_categories=()), max_size=30)
"""As ``names``, with the lone surrogates that Python makes of file names that are not UTF-8."""

plain_names = st.text(string.ascii_letters + string.digits + "_./", min_size=1, max_size=30)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes of 0.01 to 5,000 pixels anywhere, partly outside of the picture too."""
    x, y = draw(coordinates), draw(coordinates)
    sides = st.floats(0.01, 5e3)
    return Box(x, y, x + draw(sides), y + draw(sides))


points = st.tuples(coordinates, coordinates)
landmarks = st.builds(Landmarks, points, points, points, points, points)
angles = st.none() | st.floats(-90, 90)
qualities = st.builds(Quality, st.floats(0, 5e3), st.floats(0, 10), angles, angles, angles)


@st.composite
def faces(draw: st.DrawFn, labels: Sequence[Expression] = FERPLUS.labels) -> Face:
    """Faces with and without an expression, landmarks, quality and track."""
    weights = draw(st.lists(st.floats(0, 1), min_size=len(labels), max_size=len(labels)))
    scores = normalised_scores(labels, weights)
    reason = draw(st.none() | st.sampled_from(Abstention))
    return Face(
        box=draw(boxes()),
        detection_score=draw(st.floats(0, 1)),
        scores=scores,
        expression=max(scores, key=scores.__getitem__) if reason is None else None,
        abstained=reason,
        landmarks=draw(st.none() | landmarks),
        quality=draw(st.none() | qualities),
        track_id=draw(st.none() | st.integers(0, 2**31)),
    )


def readings(
    labels: Sequence[Expression] = FERPLUS.labels, sources: st.SearchStrategy[str] = names
) -> st.SearchStrategy[Reading]:
    """Stills and frames of films, with up to four faces with these labels."""
    return st.builds(
        Reading,
        source=sources,
        width=st.integers(1, 2**16),
        height=st.integers(1, 2**16),
        model=names,
        faces=st.lists(faces(labels), max_size=4).map(tuple),
        index=st.integers(0, 2**40),
        time_s=st.none() | st.floats(0, 1e6),
    )
