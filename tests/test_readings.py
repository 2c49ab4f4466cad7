"""The value types of a reading, and their JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes, readings, undecodable_names

from unmask.errors import DataError
from unmask.expressions import FERPLUS, Expression
from unmask.readings import SCORE_FLOOR, Abstention, Box, Face, Quality, Reading, normalised_scores

SCORES = normalised_scores(FERPLUS.labels, [0.02, 0.9, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01])
FACE = Face(Box(10, 20, 30, 50), 0.99, SCORES, Expression.HAPPY)
READING = Reading("a.jpg", 100, 80, "small@1.0", (FACE,))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@given(readings(sources=undecodable_names))
def test_any_reading_survives_json(reading: Reading) -> None:
    """What is written is read back as an equal value, label order included."""
    again = Reading.from_line(reading.to_line())
    assert again == reading
    assert [list(face.scores) for face in again.faces] == [list(face.scores) for face in reading.faces]


@given(readings())
def test_a_line_has_no_line_end(reading: Reading) -> None:
    """One reading is one line, whatever its source is called."""
    assert "\n" not in reading.to_line()
    assert "\r" not in reading.to_line()


def test_the_fields_of_a_line() -> None:
    """The names and their order are what other programs rely on."""
    value = json.loads(READING.to_line())
    assert list(value) == ["source", "index", "time_s", "width", "height", "model", "faces"]
    assert value["faces"][0]["box"] == [10, 20, 30, 50]
    assert value["faces"][0]["expression"] == "happy"
    assert value["faces"][0]["confidence"] == 0.9
    assert value["faces"][0]["abstained"] is None
    assert list(value["faces"][0]["scores"]) == [str(label) for label in FERPLUS.labels]


@given(st.text())
def test_random_text_is_refused(line: str) -> None:
    """Text that is no reading raises DataError and nothing else."""
    with pytest.raises(DataError):
        Reading.from_line(line)


@given(json_values)
def test_random_json_is_refused(value: Any) -> None:
    """JSON that is no reading raises DataError and nothing else."""
    with pytest.raises(DataError):
        Reading.from_json(value)


@given(st.data())
def test_a_damaged_reading_is_read_or_refused(data: st.DataObject) -> None:
    """One field of a real reading, at any depth, replaced by random JSON: a reading or DataError."""
    whole = data.draw(readings()).to_json()
    node: Any = whole
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(json_values)
    try:
        reading = Reading.from_json(whole)
    except DataError:
        return
    assert Reading.from_line(reading.to_line()) == reading


def damaged(**changes: Any) -> dict[str, Any]:
    """The JSON of a reading whose one face has these fields changed."""
    value = READING.to_json()
    value["faces"][0].update(changes)
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (damaged(box=[0, 0, 10**400, 10]), "finite"),  # a whole number that no float can hold
        (damaged(box=[5, 0, 5, 10]), "x1 < x2"),  # empty box
        (damaged(box=[0, 0, True, 10]), "finite"),  # a truth value is no number
        (damaged(box="abcd"), "box"),
        (damaged(scores={"happy": 1.0}), "two or more"),
        (damaged(scores={"happy": 0.6, "sad": 0.6}), "sum to 1"),
        (damaged(scores={"happy": 0.5, "bored": 0.5}), "bored"),  # unknown label
        (damaged(expression=None), "expression or a reason"),
        (damaged(abstained="too small"), "expression or a reason"),  # both
        (damaged(expression="bored"), "bored"),
        (damaged(detection_score=1.5), "0 to 1"),
        (damaged(track_id=1.0), "whole number"),
        (damaged(quality={"size": None, "sharpness": 1}), "finite"),  # only the angles may be null
        (damaged(quality={"size": 1}), "sharpness"),
        (damaged(landmarks=[[1, 2]]), "five"),
        ({**READING.to_json(), "width": 0}, "width"),
        ({**READING.to_json(), "index": -1}, "index"),
        ({**READING.to_json(), "time_s": math.nan}, "time_s"),
        ({**READING.to_json(), "source": None}, "source"),
        ({**READING.to_json(), "faces": ""}, "faces"),  # text is a sequence too
        ({**READING.to_json(), "faces": None}, "faces"),
        ({"source": "a.jpg"}, "missing"),
        ([], "object"),
    ],
)
def test_the_message_names_what_is_wrong(value: Any, message: str) -> None:
    """Each wrong field is refused by name."""
    with pytest.raises(DataError, match=message):
        Reading.from_json(value)


def test_unknown_fields_are_ignored() -> None:
    """A file of a newer version can be read."""
    assert Reading.from_json({**damaged(age=3), "mood": "?"}) == READING


def test_deep_nesting_is_refused() -> None:
    """Brackets beyond Python's recursion limit are an error of the data, not of the program."""
    with pytest.raises(DataError):
        Reading.from_line("[" * 200_000)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_scores_sum_to_one_and_keep_the_floor(probs: list[float]) -> None:
    """No score is smaller than the floor, and six decimals lose nothing of the sum."""
    scores = normalised_scores(FERPLUS.labels, probs)
    assert min(scores.values()) >= SCORE_FLOOR
    assert sum(scores.values()) == pytest.approx(1, abs=1e-9)
    assert list(scores) == list(FERPLUS.labels)


def test_a_certain_model_keeps_the_floor() -> None:
    """A one-hot vector: seven floors, and the rest for the label."""
    scores = normalised_scores(FERPLUS.labels, [0, 1, 0, 0, 0, 0, 0, 0])
    assert scores[Expression.HAPPY] == 0.999993
    assert scores[Expression.SAD] == 1e-6


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box(0, 0, 2, 2), 1.0),
        (Box(1, 0, 3, 2), 1 / 3),  # half of each in common
        (Box(2, 0, 4, 2), 0.0),  # touching: half-open boxes share no pixel
        (Box(5, 5, 6, 6), 0.0),
    ],
)
def test_iou(other: Box, expected: float) -> None:
    """Intersection over union of small boxes, worked out by hand."""
    assert Box(0, 0, 2, 2).iou(other) == pytest.approx(expected)


@given(boxes(), boxes())
def test_iou_is_symmetric_and_a_share(first: Box, second: Box) -> None:
    """The same both ways, 0 to 1, and 1 of a box with itself."""
    assert 0 <= first.iou(second) <= 1 + 1e-9
    assert first.iou(second) == pytest.approx(second.iou(first))
    assert first.iou(first) == pytest.approx(1)


def test_an_abstention_keeps_its_scores() -> None:
    """Without an expression, the confidence is still the highest score."""
    face = replace(FACE, expression=None, abstained=Abstention.BLURRED)
    assert face.confidence == 0.9


def test_quality_without_landmarks() -> None:
    """The angles may be unknown, and stay so in JSON."""
    quality = Quality(20.0, 0.1)
    assert Quality.from_json(quality.to_json()) == quality
    assert Quality.from_json({**quality.to_json(), "occlusion": 0.1}) == quality  # written by a newer version
