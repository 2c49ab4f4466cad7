"""Intervals, comparisons and curves against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import DataError
from unmask.evaluation import rates
from unmask.evaluation.comparison import compare, mcnemar
from unmask.evaluation.curves import reliability, risk_coverage
from unmask.evaluation.intervals import bootstrap
from unmask.evaluation.words import comparison_sentence


def two_class(confidence: list[float]) -> np.ndarray:
    """Probabilities of two classes, the first having these."""
    first = np.array(confidence)
    return np.stack([first, 1 - first], axis=1)


def test_rates_by_hand() -> None:
    """Three classes, of which the last has no rows and the second is never answered."""
    confusion = np.array([[3, 0, 1], [2, 0, 0], [0, 0, 0]])
    assert rates.accuracy(confusion) == 0.5
    np.testing.assert_array_equal(rates.recalls(confusion), [0.75, 0.0, math.nan])
    np.testing.assert_array_equal(rates.precisions(confusion), [0.6, math.nan, 0.0])
    np.testing.assert_allclose(rates.f1s(confusion), [6 / 9, 0.0, math.nan])
    assert rates.balanced_accuracy(confusion) == pytest.approx(0.375)
    assert rates.macro_f1(confusion) == pytest.approx(1 / 3)


def test_rates_of_many_matrices_at_once() -> None:
    """A stack of matrices gives what each gives alone."""
    stack = np.random.default_rng(0).integers(0, 5, (4, 3, 3))
    for rate in (rates.accuracy, rates.recalls, rates.precisions, rates.f1s, rates.macro_f1):
        np.testing.assert_array_equal(rate(stack), np.stack([rate(one) for one in stack]))


def test_interval_is_the_binomial_one() -> None:
    """60 of 100 right: the percentile interval is that of the binomial distribution, 0.50 to 0.69."""
    (interval,) = bootstrap(np.array([[30, 20], [20, 30]]), rates.accuracy, draws=20_000)
    assert interval.value == 0.6
    # The quantiles of 100 draws at 0.6 are 50 and 69 (R: qbinom(c(.025, .975), 100, .6)); a draw is 0.01 wide.
    assert interval.low == pytest.approx(0.50, abs=0.011)
    assert interval.high == pytest.approx(0.69, abs=0.011)


def test_interval_is_that_of_rows_drawn_with_replacement() -> None:
    """Drawing cells of the matrix and drawing rows give the same bounds."""
    labels, predicted = np.array([0] * 40 + [1] * 20), np.array([0] * 30 + [1] * 22 + [0] * 8)
    confusion = np.bincount(labels * 2 + predicted, minlength=4).reshape(2, 2)
    (interval,) = bootstrap(confusion, rates.macro_f1, draws=4000)
    generator = np.random.default_rng(1)
    drawn = []
    for _ in range(4000):
        rows = generator.integers(0, 60, 60)
        matrix = np.bincount(labels[rows] * 2 + predicted[rows], minlength=4).reshape(2, 2)
        drawn.append(float(rates.macro_f1(matrix)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    # The standard error of a 2.5 % quantile of 4,000 draws of this spread (0.06) is about 0.003; four of them.
    assert interval.low == pytest.approx(low, abs=0.012)
    assert interval.high == pytest.approx(high, abs=0.012)


def test_interval_is_seeded_and_says_what_is_not_defined() -> None:
    """The same seed, the same bounds; a class without rows has no recall and a dash."""
    confusion = np.array([[5, 3], [0, 0]])
    first, again = (bootstrap(confusion, rates.recalls, seed=3) for _ in range(2))
    assert first[0] == again[0]
    assert first != bootstrap(confusion, rates.recalls, seed=4)
    assert (str(first[1]), first[1].to_json()) == ("-", None)
    assert str(first[0]).startswith("0.625 (")
    with pytest.raises(DataError, match="no rows"):
        bootstrap(np.zeros((2, 2), dtype=np.int64), rates.accuracy)


def test_rows_answered_alike_have_no_bounds() -> None:
    """Two rows that are read rightly do not make a class certain."""
    wrong, right = bootstrap(np.array([[0, 2], [0, 30]]), rates.recalls)
    assert (str(wrong), str(right)) == ("0.000 (-)", "1.000 (-)")
    assert wrong.to_json() is None
    (mixed,) = bootstrap(np.array([[0, 2], [0, 30]]), rates.accuracy)
    assert mixed.low < 0.9375 < mixed.high


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),  # nothing tells them apart
        (5, 5, 1.0),
        (1, 0, 1.0),  # 2 * (1/2)
        (0, 5, 0.0625),  # 2 * (1/2)^5
        (1, 9, 0.021484375),  # 2 * (1 + 10) / 2^10
        (2, 8, 0.109375),  # 2 * (1 + 10 + 45) / 2^10
    ],
)
def test_mcnemar_by_hand(only_first: int, only_second: int, p_value: float) -> None:
    """Few pairs: sums of binomial coefficients; the order of the models does not matter."""
    assert mcnemar(only_first, only_second) == pytest.approx(p_value)
    assert mcnemar(only_second, only_first) == pytest.approx(p_value)


@pytest.mark.parametrize(("only_first", "only_second"), [(180, 230), (3000, 3200)])
def test_mcnemar_of_many_pairs_is_near_its_approximation(only_first: int, only_second: int) -> None:
    """With many pairs, the exact value is the continuity-corrected chi-squared one (Edwards) to within 2 %."""
    statistic = (abs(only_first - only_second) - 1) ** 2 / (only_first + only_second)
    assert mcnemar(only_first, only_second) == pytest.approx(math.erfc(math.sqrt(statistic / 2)), rel=0.02)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_a_probability(only_first: int, only_second: int) -> None:
    """It is above 0 and at most 1, also where summing rounds."""
    assert 0 < mcnemar(only_first, only_second) <= 1


def test_comparison_by_hand() -> None:
    """Ten rows: both right 4, only the first 3, only the second 1, both wrong 2."""
    first = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], dtype=bool)
    second = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0], dtype=bool)
    found = compare(first, second, first="a", second="b")
    counts = (found.both_right, found.only_first, found.only_second, found.both_wrong, found.n)
    assert counts == (4, 3, 1, 2, 10)
    assert found.difference.value == pytest.approx(0.2)
    assert found.difference.low < 0.2 < found.difference.high
    assert found.p_value == pytest.approx(2 * (1 + 4) / 16)
    assert found.to_json()["accuracy_difference"] == found.difference.value


def test_interval_of_the_difference() -> None:
    """1,000 rows, 60 only the first, 30 only the second: 0.030 and 1.96 standard errors of paired rows, 0.0093."""
    first = np.arange(1000) < 560
    second = np.concatenate([np.ones(500, bool), np.zeros(60, bool), np.ones(30, bool), np.zeros(410, bool)])
    interval = compare(first, second).difference
    error = 1.96 * math.sqrt((0.09 - 0.03**2) / 1000)
    assert interval.value == pytest.approx(0.03)
    # 2,000 draws leave about 0.0007 of uncertainty in each bound; three of them.
    assert interval.low == pytest.approx(0.03 - error, abs=0.0021)
    assert interval.high == pytest.approx(0.03 + error, abs=0.0021)


@pytest.mark.parametrize("second", [np.ones(5, bool), np.zeros(5, bool)])
def test_rows_that_are_all_alike_give_no_bounds(second: np.ndarray) -> None:
    """Every draw gives the same difference, which is no certainty."""
    found = compare(np.ones(5, bool), second)
    assert not found.difference.is_known
    assert found.to_json()["interval"] is None
    assert "(-); each alone right" in comparison_sentence(found)


def test_comparison_needs_the_same_rows() -> None:
    """Another number of rows, and none, are refused."""
    with pytest.raises(DataError, match="same rows"):
        compare(np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(DataError, match="at least one"):
        compare(np.ones(0, bool), np.ones(0, bool))


def test_reliability_by_hand() -> None:
    """Ten bins: 0.95 and 0.91 fall in the last, 1.0 too, 0.55 in the sixth; the rest is empty."""
    probs = two_class([0.95, 0.91, 1.0, 0.55])
    curve = reliability(probs, np.array([0, 1, 0, 0]), bins=10)
    assert curve.counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert curve.confidence[9] == pytest.approx((0.95 + 0.91 + 1.0) / 3)
    assert curve.accuracy[9] == pytest.approx(2 / 3)
    assert math.isnan(curve.accuracy[0])
    assert curve.error == pytest.approx((3 * abs(2.86 / 3 - 2 / 3) + abs(0.55 - 1)) / 4)
    assert [entry["n"] for entry in curve.to_json()] == [1, 3]
    assert curve.to_json()[0]["from"] == pytest.approx(0.5)


def test_risk_coverage_by_hand() -> None:
    """The surest right, the second wrong, the third right: risks 0, 1/2, 1/3, and their mean is the area."""
    curve = risk_coverage(two_class([0.7, 0.9, 0.8]), np.array([0, 0, 1]))
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3])
    np.testing.assert_allclose(curve.coverage, [1 / 3, 2 / 3, 1])
    assert curve.area == pytest.approx(5 / 18)
    assert curve.at(1.0) == pytest.approx(1 / 3)
    assert curve.at(0.1) == 0.0
    assert curve.to_json()["risk_at_coverage"]["1.0"] == pytest.approx(1 / 3)


def test_risk_of_equally_sure_answers_does_not_depend_on_their_order() -> None:
    """Four answers of one confidence, one wrong: a quarter at every coverage, wherever the wrong one stands."""
    for wrong in range(4):
        labels = np.zeros(4, dtype=np.int64)
        labels[wrong] = 1
        np.testing.assert_allclose(risk_coverage(two_class([0.8] * 4), labels).risk, 0.25)


def test_best_and_worst_area() -> None:
    """With half the answers wrong, sorting them last is best, sorting them first is worst, and chance lies between."""
    labels = np.array([0] * 50 + [1] * 50)
    sure = np.linspace(0.99, 0.51, 100)
    best = risk_coverage(two_class(sure.tolist()), labels).area
    worst = risk_coverage(two_class(sure[::-1].tolist()), labels).area
    even = risk_coverage(two_class([0.6] * 100), labels).area
    assert best < even < worst
    assert even == pytest.approx(0.5)
    # sum over k of (k - 50) / k for k = 51..100, divided by 100
    assert best == pytest.approx(sum((k - 50) / k for k in range(51, 101)) / 100)
