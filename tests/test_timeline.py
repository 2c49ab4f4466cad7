"""Smoothing, events, shares and the plot of films, on values that can be worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from unmask.errors import ConfigError
from unmask.expressions import FER2013, Expression
from unmask.readings import Abstention, Box, Face, Reading, normalised_scores
from unmask.timeline.course import Courses
from unmask.timeline.events import Event, EventFinder, EventRule
from unmask.timeline.people import FilmSummary
from unmask.timeline.smoothing import Smoother


def face(score: float, *, person: int = 1, abstained: Abstention | None = None) -> Face:
    """A face that is happy to this degree and neutral for the rest."""
    probs = [score if label == "happy" else 1 - score if label == "neutral" else 0.0 for label in FER2013.labels]
    scores = normalised_scores(FER2013.labels, probs)
    expression = max(scores, key=lambda label: scores[label]) if abstained is None else None
    return Face(Box(10, 10, 40, 40), 0.9, scores, expression, abstained, track_id=person)


def reading(time_s: float, *faces: Face, index: int = 0) -> Reading:
    """A frame of the film."""
    return Reading("clip.mp4", 100, 80, "small@1", faces, index, time_s)


# Smoothing


def test_the_step_response_is_as_stated() -> None:
    """Of a sudden change 63 % shows after the time constant, 95 % after three times that, at any frame rate."""
    off, on = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    for rate in (10, 50, 240):
        smoother = Smoother(0.5)
        smoother.smooth(1, 0.0, off)
        after = [smoother.smooth(1, frame / rate, on)[1] for frame in range(1, 2 * rate)]
        for time_s, share in ((0.5, 1 - math.exp(-1)), (1.5, 1 - math.exp(-3))):
            assert after[round(time_s * rate) - 1] == pytest.approx(share)


def test_a_varying_rate_changes_nothing() -> None:
    """A constant input at uneven times gives what one long step gives."""
    uneven, once = Smoother(0.3), Smoother(0.3)
    for smoother in (uneven, once):
        smoother.smooth(1, 0.0, np.array([1.0, 0.0]))
    for time_s in (0.01, 0.2, 0.21, 0.5):
        last = uneven.smooth(1, time_s, np.array([0.2, 0.8]))
    assert last == pytest.approx(once.smooth(1, 0.5, np.array([0.2, 0.8])))


def test_a_slow_change_lags_by_the_time_constant() -> None:
    """A ramp comes out as the same ramp, later by the time constant."""
    smoother = Smoother(0.2)
    for frame in range(1001):
        ramp = frame / 1000 / 5
        shown = smoother.smooth(1, frame / 200, np.array([1 - ramp, ramp]))
    assert (ramp - shown[1]) / (1 / 25) == pytest.approx(0.2, rel=0.02)  # the ramp's slope is 1/25 a second


def test_people_are_smoothed_apart_and_zero_is_off() -> None:
    """One person's scores leave another's alone; probabilities stay probabilities."""
    smoother = Smoother(1.0)
    smoother.smooth(1, 0.0, np.array([1.0, 0.0]))
    assert smoother.smooth(2, 0.1, np.array([0.3, 0.7])).tolist() == [0.3, 0.7]
    assert smoother.smooth(1, 0.1, np.array([0.0, 1.0])).sum() == pytest.approx(1)
    off = Smoother(0)
    off.smooth(1, 0.0, np.array([1.0, 0.0]))
    assert off.smooth(1, 0.04, np.array([0.25, 0.75])).tolist() == [0.25, 0.75]
    with pytest.raises(ConfigError):
        Smoother(-1)


# Events


RULE = EventRule(enter=0.6, leave=0.4, least_s=0.2, gap_s=0.5)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.5, 0.7, 0.9, 0.5, 0.1], [(0.1, 0.3, 0.4)]),  # onset where it begins to rise, peak, offset
        ([0.1, 0.5, 0.55, 0.5, 0.5, 0.1], []),  # never enters
        ([0.7, 0.5, 0.7, 0.5, 0.8, 0.5], [(0.0, 0.4, 0.5)]),  # trembles between the levels: one event
        ([0.7, 0.7, 0.7, 0.1, 0.7, 0.7, 0.7], [(0.0, 0.0, 0.2), (0.4, 0.4, 0.6)]),  # leaves between: two
        ([0.1, 0.9, 0.9, 0.1], []),  # too short
        ([0.9, 0.9, 0.9], [(0.0, 0.0, 0.2)]),  # from the first frame to the last
        ([0.9, 0.9, 0.9, None, 0.9], [(0.0, 0.0, 0.4)]),  # not seen for a moment
        ([0.9, 0.9, 0.9, *[None] * 5, 0.9, 0.9, 0.9], [(0.0, 0.0, 0.2), (0.8, 0.8, 1.0)]),  # not seen for long
    ],
)
def test_events(scores: list[float | None], expected: list[tuple[float, float, float]]) -> None:
    """Onset, peak and offset of each course of scores, ten frames a second; None is a frame without the face."""
    finder = EventFinder(1, RULE)
    events: list[Event] = []
    for number, score in enumerate(scores):
        if score is not None:
            events.extend(finder.add(face(score), number / 10, before_s=(number - 1) / 10))
    events.extend(finder.finish())
    assert [(event.onset_s, event.peak_s, event.offset_s) for event in events] == expected
    assert {event.expression for event in events} <= {Expression.HAPPY}


def test_a_face_seen_badly_makes_no_event() -> None:
    """Turned away, the scores say little: as if the person were not there."""
    finder = EventFinder(1, RULE)
    for number in range(10):
        assert not list(finder.add(face(0.9, abstained=Abstention.TURNED_AWAY), number / 10, before_s=0))
    assert not list(finder.finish())


@pytest.mark.parametrize("step_s", [0.04, 0.5, 1.0, 30.0])
def test_events_between_frames_far_apart(step_s: float) -> None:
    """Who is in every frame that is read is not missing between them; one frame without the person is a gap."""
    film = FilmSummary("clip.mp4")
    for number in range(10):
        film.add(reading(number * step_s, face(0.9)))
    film.finish()
    (event,) = film.people[0].events
    assert (event.onset_s, event.offset_s) == (0.0, 9 * step_s)
    film = FilmSummary("clip.mp4")
    for number in range(11):
        film.add(reading(number * step_s, *([] if number == 5 else [face(0.9)])))
    film.finish()
    assert len(film.people[0].events) == (1 if 2 * step_s <= 0.5 else 2)


@pytest.mark.parametrize("levels", [(0.3, 0.4), (1.2, 0.4), (0.5, 0.0)])
def test_levels_that_cannot_be(levels: tuple[float, float]) -> None:
    """To leave above the level of entering would never settle."""
    with pytest.raises(ConfigError):
        EventRule(enter=levels[0], leave=levels[1])


# What people showed


def test_shares_count_time_not_frames() -> None:
    """A frame counts as long as it is shown: happy for 1 s in one frame, neutral for 0.2 s in two."""
    film = FilmSummary("clip.mp4")
    film.add(reading(0.0, face(0.9)))
    film.add(reading(1.0, face(0.1)))
    film.add(reading(1.1, face(0.1), face(0.8, person=2, abstained=Abstention.BLURRED)))
    film.add(reading(1.2))
    film.finish()
    first, second = film.people
    assert (film.frames, film.empty, film.first_s, film.last_s) == (4, 1, 0.0, 1.2)
    assert (first.frames, first.first_s, first.last_s) == (3, 0.0, 1.1)
    assert first.seen_s == pytest.approx(1.2)
    assert first.share(Expression.HAPPY) == pytest.approx(1 / 1.2)
    assert first.share(Expression.NEUTRAL) == pytest.approx(0.2 / 1.2)
    assert first.mean_scores[Expression.HAPPY] == pytest.approx((0.9 + 0.02) / 1.2, abs=1e-4)
    assert second.share(Abstention.BLURRED) == pytest.approx(1)
    assert second.to_json()["withheld"] == {"blurred": pytest.approx(1)}


def test_sums_are_told_without_noise() -> None:
    """No digits that come from adding up floats."""
    film = FilmSummary("clip.mp4")
    for number in range(41):
        film.add(reading(number * 0.08, face(0.9, abstained=Abstention.BLURRED if number % 5 else None)))
    film.finish()
    assert film.people[0].seen_s != 3.28
    (person,) = film.to_json()["people"]
    assert person["seen_s"] == 3.28
    assert person["shares"]["happy"] == round(9 / 41, 6)
    assert person["withheld"] == {"blurred": round(32 / 41, 6)}
    assert person["mean_scores"]["happy"] == round(person["mean_scores"]["happy"], 6)


def test_the_last_frame_lasts_as_long_as_the_one_before_it() -> None:
    """Nothing follows that would tell."""
    film = FilmSummary("clip.mp4")
    for number in range(3):
        film.add(reading(number / 4, face(0.9)))
    film.finish()
    assert film.people[0].seen_s == pytest.approx(0.75)


def test_a_course_of_any_length_stays_small() -> None:
    """Neighbours are merged: memory is bound, and the means of a ramp are the ramp."""
    courses = Courses(budget=100)
    for number in range(10_000):
        courses.add(1, number / 100, face(number / 10_000).scores, frame=number)
    (whole,) = courses.stretches(1, frame_s=0.01)
    times, scores = whole.times, whole.scores
    assert 25 <= len(times) <= 100
    happy = scores[:, courses.labels.index(Expression.HAPPY)]
    assert happy == pytest.approx(times / 100, abs=1e-3)
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(times)), abs=1e-4)


def test_many_short_visits_end() -> None:
    """More people than the budget has points: thinning ends, each keeps one."""
    courses = Courses(budget=10)
    for person in range(200):
        for number in range(3):
            courses.add(person, person + number / 10, face(0.5).scores, frame=10 * person + number)
    assert all(len(courses.stretches(person, frame_s=0.1)) >= 1 for person in range(200))


def test_a_course_breaks_where_a_frame_misses_the_person() -> None:
    """Also for one frame, and at any rate; each part lasts as long as its last frame is shown."""
    film = FilmSummary("clip.mp4")
    for number in range(10):
        film.add(reading(number, *([] if number in (3, 7, 8) else [face(0.9)])))
    parts = film.stretches(film.people[0], points=100)
    assert [part.times.tolist() for part in parts] == [[0, 1, 2], [4, 5, 6], [9]]
    assert [part.end_s for part in parts] == [3, 7, 10]
    times, scores = parts[0].corners()
    assert times.tolist() == [0, 1, 2, 3]
    assert scores[-1].tolist() == scores[-2].tolist()


def test_a_course_shows_where_no_expression_was_named() -> None:
    """From the first frame without a name until the next one with a name."""
    film = FilmSummary("clip.mp4")
    for number in range(8):
        withheld = Abstention.TURNED_AWAY if number in (0, 1, 4, 7) else None
        film.add(reading(number / 4, face(0.9, abstained=withheld)))
    (part,) = film.stretches(film.people[0], points=100)
    assert part.withheld_spans() == [(0, 0.5), (1, 1.25), (1.75, 2)]


def test_gaps_of_a_long_course() -> None:
    """Those that are too short for its points are bridged, however often the person is missing; long ones stay."""
    courses = Courses(budget=100)
    seen = [number for number in range(10_000) if number % 3 and not 4000 <= number < 5000]
    for number in seen:
        courses.add(1, float(number), face(0.5).scores, frame=number)
    before, after = courses.stretches(1, frame_s=1)
    assert 3800 < before.end_s <= 4001
    assert 5000 <= after.times[0] < 5200
    assert len(before.times) + len(after.times) <= 101
    assert len(courses.stretches(1, frame_s=1, points=10)) == 2


def test_a_film_of_one_frame() -> None:
    """What it shows has shares, and a moment that can be drawn."""
    film = FilmSummary("clip.mp4")
    film.add(reading(2.0, face(0.9)))
    film.finish()
    (person,) = film.to_json()["people"]
    assert person["seen_s"] == 0.04
    assert person["shares"]["happy"] == 1.0
    assert film.frame_s == 0.04


def test_the_timeline_is_drawn(tmp_path: Path) -> None:
    """A row for each person, a bar for an event; the same bytes for the same film; and a film without a face."""
    pytest.importorskip("matplotlib")
    from unmask.timeline.plot import save_timeline, timeline

    film = FilmSummary("clip.mp4")
    for number in range(50):
        film.add(reading(number / 25, face(0.9 if number > 25 else 0.1), face(0.2, person=2)))
    film.finish()
    figure = timeline([film])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["person 1, seen 2.0 s", "person 2, seen 2.0 s"]
    save_timeline(tmp_path / "a.svg", [film])
    save_timeline(tmp_path / "b.svg", [film])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    dollars = FilmSummary("in$_$.mp4")
    dollars.add(reading(0.0, face(0.9)))
    dollars.finish()
    save_timeline(tmp_path / "c.svg", [film, dollars])
    assert "in$_$.mp4" in (tmp_path / "c.svg").read_text("utf-8")
    films = []
    for source in ("x/one.mp4", "x/clip.mp4", "y/clip.mp4"):
        films.append(FilmSummary(source))
        films[-1].add(reading(0.0, face(0.9)))
        films[-1].finish()
    titles = [axes.get_title(loc="left") for axes in timeline(films).axes]
    assert titles == [f"{name}: person 1, seen 0.04 s" for name in ("one.mp4", "x/clip.mp4", "y/clip.mp4")]
    twice = [axes.get_title(loc="left") for axes in timeline([films[0], films[0]]).axes]
    assert twice == ["one.mp4: person 1, seen 0.04 s"] * 2
    save_timeline(tmp_path / "a.png", [])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="PNG or SVG"):
        save_timeline(tmp_path / "a.jpg", [film])
