"""Figures of merit against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import DataError
from unmask.evaluation.calibration import TOO_FEW, calibration, even_cost_threshold, fit_temperature
from unmask.evaluation.curves import reliability
from unmask.evaluation.metrics import confusion_matrix, evaluate_probs
from unmask.expressions import Expression, Taxonomy
from unmask.models import softmax

THREE = Taxonomy("three", (Expression.ANGRY, Expression.HAPPY, Expression.SAD))


def test_figures_by_hand() -> None:
    """Four rows of two classes (the third never occurs): every figure as worked out on paper."""
    probs = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    labels = np.array([0, 0, 1, 1])
    figures = evaluate_probs(probs, labels, THREE)
    assert figures["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert figures["accuracy"] == 0.75
    assert figures["balanced_accuracy"] == 0.75
    assert figures["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert figures["nll"] == pytest.approx(-np.log([0.8, 0.6, 0.7, 0.4]).mean())
    assert figures["brier"] == pytest.approx((0.06 + 0.26 + 0.14 + 0.62) / 4)
    assert figures["per_class"]["happy"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "n": 2}
    assert figures["most_confused"] == [{"actual": "happy", "predicted": "angry", "count": 1}]


def test_calibration_error_by_hand() -> None:
    """Ten bins: 0.95 twice right leaves a gap of 0.05, 0.55 once right of two a gap of 0.05."""
    probs = np.array([[0.95, 0.05], [0.95, 0.05], [0.55, 0.45], [0.55, 0.45]])
    labels = np.array([0, 0, 0, 1])
    assert reliability(probs, labels, bins=10).error == pytest.approx(0.05)


def test_calibration_error_by_chance_is_that_of_true_scores() -> None:
    """Drawing whether each answer is right as its score says gives such an error on average, with few rows and many."""
    generator = np.random.default_rng(0)
    for rows in (150, 3000):
        confidence = generator.uniform(0.5, 1, rows)
        probs = np.stack([confidence, 1 - confidence], axis=1)
        drawn = [reliability(probs, (generator.random(rows) > confidence).astype(np.int64)) for _ in range(300)]
        assert drawn[0].error_by_chance == pytest.approx(np.mean([curve.error for curve in drawn]), rel=0.05)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=50))
def test_confusion_counts_every_row_once(pairs: list[tuple[int, int]]) -> None:
    """Row sums are the actual counts, column sums the predicted ones."""
    labels, predicted = np.array(pairs).T
    confusion = confusion_matrix(labels, predicted, 3)
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels, minlength=3))
    np.testing.assert_array_equal(confusion.sum(axis=0), np.bincount(predicted, minlength=3))


def test_no_rows_is_an_error() -> None:
    """An empty evaluation is refused, not reported as perfect."""
    with pytest.raises(DataError, match="at least one row"):
        evaluate_probs(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), THREE)


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_temperature_is_found(truth: float) -> None:
    """Labels drawn at a known temperature: the fitted one is close to it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 3
    draws = np.array([rng.choice(3, p=p) for p in softmax(logits, temperature=truth)])
    fitted = fit_temperature(logits, draws)
    assert fitted == pytest.approx(truth, rel=0.08)  # four standard errors of this many draws


def test_sure_mistakes_raise_the_temperature() -> None:
    """Scores so sure that a wrong row's probability rounds to nothing are softened, not sharpened."""
    rng = np.random.default_rng(0)
    logits = np.zeros((100, 3))
    labels = np.zeros(100, dtype=np.int64)
    logits[:94, 0] = rng.uniform(5, 12, 94)
    logits[94:, 1] = rng.uniform(5, 12, 6)
    fitted = fit_temperature(logits, labels)
    assert 1.5 < fitted < 4
    losses = [
        -np.log(softmax(logits, temperature=temperature)[np.arange(100), labels]).mean()
        for temperature in (fitted / 1.05, fitted, fitted * 1.05)
    ]
    assert losses[1] == min(losses)


def test_what_rows_cannot_tell() -> None:
    """Too few rows, or answers that are all right, choose neither temperature nor thresholds."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(TOO_FEW, 3))
    said = logits.argmax(axis=1)
    labels = np.where(np.arange(TOO_FEW) % 5, said, (said + 1) % 3)
    temperature, thresholds = calibration(logits, labels)
    assert temperature == pytest.approx(fit_temperature(logits, labels), abs=1e-4)
    assert set(thresholds) == {"min_confidence", "min_margin"}
    assert calibration(logits[1:], labels[1:]) == (None, {})
    assert calibration(logits, said) == (None, {})


def test_threshold_at_even_cost() -> None:
    """Withholding pays while it takes away more wrong answers than right ones."""
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    assert even_cost_threshold(values, np.array([False, False, True, True, True])) == 0.21
    assert even_cost_threshold(values, np.array([False, True, False, False, True])) == 0.41
    assert even_cost_threshold(values, np.ones(5, dtype=bool)) == 0.0
    assert even_cost_threshold(values, np.zeros(5, dtype=bool)) == 0.91
