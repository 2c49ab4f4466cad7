"""Who is who: the pairing, the tracker on made-up faces, and the follower with a detector that counts its work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unmask.errors import ConfigError
from unmask.faces import Detection
from unmask.faces.assignment import assign
from unmask.faces.following import Follower
from unmask.faces.tracking import Tracker
from unmask.readings import Box


@given(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(-1, 1, width=16))
    )
)
def test_the_best_pairing(gains: np.ndarray) -> None:
    """No other pairing has a larger sum: all are tried."""
    pairs = assign(gains)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    size = max(gains.shape)
    square = np.zeros((size, size))
    square[: gains.shape[0], : gains.shape[1]] = np.maximum(gains, 0)
    best = max((sum(square[i, p[i]] for i in range(size)) for p in permutations(range(size))), default=0.0)
    assert sum(gains[pair] for pair in pairs) == pytest.approx(best, abs=1e-9)


def look(person: int) -> np.ndarray:
    """A crop that looks like nobody else's: broad waves, another direction for each."""
    y, x = np.mgrid[:48, :48] / 48
    wave = np.sin(2 * np.pi * (x * np.cos(person) + y * np.sin(person)) * 1.5 + person)
    return np.asarray(128 + 100 * wave, dtype=np.uint8)


def run(
    places: Callable[[int], dict[int, tuple[float, float]]],
    frames: int,
    *,
    side: float = 60,
    rate: float = 25,
    looks: Callable[[int], np.ndarray] = look,
) -> list[dict[int, int]]:
    """Numbers that people, named by their true number, get in each frame; ``places`` says where their middles are."""
    tracker = Tracker()
    given_numbers = []
    for frame in range(frames):
        people = places(frame)
        order = sorted(people, key=lambda one: people[one])
        detections = [
            Detection(Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2), 0.9)
            for x, y in (people[one] for one in order)
        ]
        crops = np.array([looks(one) for one in order], np.uint8).reshape(-1, 48, 48)
        given_numbers.append(dict(zip(order, tracker.update(detections, crops, frame / rate), strict=True)))
    return given_numbers


def numbers_of(person: int, frames: list[dict[int, int]]) -> set[int]:
    """All numbers that a person was given."""
    return {frame[person] for frame in frames if person in frame}


def test_people_who_cross_keep_their_numbers() -> None:
    """Two walk through each other; while they overlap, only the one in front is found."""

    def places(frame: int) -> dict[int, tuple[float, float]]:
        first, second = (100 + 6 * frame, 200.0), (400 - 6 * frame, 210.0)
        return {1: first, 2: second} if abs(first[0] - second[0]) > 40 else {1: first}

    frames = run(places, 51)
    assert numbers_of(1, frames) == {1}
    assert numbers_of(2, frames) == {2}
    assert sum(2 not in frame for frame in frames) > 4


def test_looks_alone_tell_who_comes_back() -> None:
    """Two vanish for a second where they stood together, and come back changed over: their looks decide."""

    def places(frame: int) -> dict[int, tuple[float, float]]:
        if 20 <= frame < 45:
            return {}
        apart = 30 if frame < 20 else -30
        return {1: (300 - apart, 200.0), 2: (300 + apart, 200.0)}

    frames = run(places, 70, side=50)
    assert numbers_of(1, frames) == {1}
    assert numbers_of(2, frames) == {2}


def test_alike_people_are_told_apart_by_their_way() -> None:
    """Twins who cross: only the motion tells."""

    def places(frame: int) -> dict[int, tuple[float, float]]:
        first, second = (100 + 8 * frame, 200.0), (420 - 8 * frame, 215.0)
        return {1: first, 2: second} if abs(first[0] - second[0]) > 30 else {1: first}

    frames = run(places, 40, looks=lambda person: look(1))
    assert numbers_of(1, frames) == {1}
    assert numbers_of(2, frames) == {2}


@pytest.mark.parametrize(("gap", "same"), [(0.4, True), (1.5, True), (4.0, False)])
def test_gaps(gap: float, same: bool) -> None:
    """Who comes back soon is the same; who comes back late is somebody new, and no number is given twice."""

    def places(frame: int) -> dict[int, tuple[float, float]]:
        return {} if 10 <= frame < 10 + 25 * gap else {1: (200.0, 150.0)}

    frames = run(places, 150)
    assert numbers_of(1, frames) == ({1} if same else {1, 2})


def test_a_clock_that_falls_back() -> None:
    """However far it falls, nobody is where they were before; a small fall changes nobody's number."""
    crops = np.stack([look(1), look(2)])
    faces = [Detection(Box(100, 100, 200, 200), 0.9), Detection(Box(400, 100, 500, 200), 0.9)]
    for fall, expected in ((1000.0, [3, 4]), (0.02, [1, 2]), (0.15, [1, 2]), (0.5, [1, 2])):
        tracker = Tracker()
        assert tracker.update(faces, crops, 1000.0) == [1, 2]
        assert tracker.update(faces, crops, 1000.04) == [1, 2]
        assert tracker.update(faces, crops, 1000.04 - fall) == expected


def test_somebody_else_in_the_same_place() -> None:
    """Another face where somebody was a second ago is another person."""

    def places(frame: int) -> dict[int, tuple[float, float]]:
        return {1: (200.0, 150.0)} if frame < 10 else {} if frame < 35 else {4: (205.0, 150.0)}

    frames = run(places, 50)
    assert numbers_of(1, frames) == {1}
    assert numbers_of(4, frames) == {2}


def test_a_slow_film_and_a_varying_rate() -> None:
    """One frame a second, with a person who sways: still one."""
    frames = run(lambda frame: {1: (200.0 + 25 * (-1) ** frame, 150.0)}, 20, rate=1)
    assert numbers_of(1, frames) == {1}


def test_a_jump_to_another_place_is_somebody_else() -> None:
    """Nobody crosses the picture in a twenty-fifth of a second."""
    frames = run(lambda frame: {1: (100.0 if frame < 10 else 600.0, 150.0)}, 20)
    assert numbers_of(1, frames) == {1, 2}


class Square:
    """Finds the one bright square of a picture, and notes the sizes of what it was shown."""

    name = "square"

    def __init__(self) -> None:
        self.shown: list[int] = []

    def detect(self, image: np.ndarray) -> list[Detection]:
        self.shown.append(max(image.shape[:2]))
        rows, columns = np.nonzero(image[..., 0] > 128)
        if not len(rows):
            return []
        corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return [Detection(Box(*map(float, corners)), 0.9)]


def follow(steps: Sequence[tuple[int, int] | None], **options: int) -> tuple[list[list[Detection]], Square]:
    """What a follower finds of a square of 40 pixels at these corners, 25 frames a second."""
    detector = Square()
    follower = Follower(detector, **options)
    found = []
    for number, corner in enumerate(steps):
        image = np.zeros((480, 640, 3), np.uint8)
        if corner is not None:
            image[corner[1] : corner[1] + 40, corner[0] : corner[0] + 40] = 255
        detections = follower.find(image, number / 25)
        follower.tracker.update(detections, np.zeros((len(detections), 48, 48), np.uint8), number / 25)
        found.append(detections)
    return found, detector


def test_between_searches_only_the_neighbourhood_is_looked_at() -> None:
    """The whole picture in each fifth frame, a small part in the others; the place is right to the pixel."""
    steps = [(100 + 3 * number, 200) for number in range(20)]
    found, detector = follow(steps)
    assert [detections[0].box.x1 for detections in found] == pytest.approx([x for x, _ in steps], abs=0.5)
    assert [shown == 640 for shown in detector.shown] == [number % 5 == 0 for number in range(20)]


def test_a_face_that_jumps_is_searched_for_at_once() -> None:
    """Not in its place: the whole picture, in the same frame."""
    found, _ = follow([(100, 200)] * 3 + [(500, 300)] * 2)
    assert [detections[0].box.x1 for detections in found] == pytest.approx([100, 100, 100, 500, 500], abs=0.5)


def test_a_newcomer_is_found_within_the_stated_frames() -> None:
    """At the next search of the whole picture."""
    found, _ = follow([None] * 7 + [(300, 300)] * 8)
    first = next(number for number, detections in enumerate(found) if detections)
    assert 7 <= first <= 11
    found, _ = follow([None] * 7 + [(300, 300)] * 8, search_every=1)
    assert [bool(detections) for detections in found] == [False] * 7 + [True] * 8


def test_a_face_at_the_edge_and_beyond() -> None:
    """A face that leaves the picture ends without an error."""
    found, _ = follow([(560 + 8 * number, 200) if 8 * number < 80 else None for number in range(15)])
    assert found[0]
    assert found[-1] == []


def test_at_least_each_frame() -> None:
    """Zero frames between searches cannot be."""
    with pytest.raises(ConfigError):
        Follower(Square(), search_every=0)
