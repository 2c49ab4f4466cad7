"""How ours is compared with the study's, by hand; and the numbers behind padding and parts of the data."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.capstone.budgets import BUDGETS, Budget
from unmask.capstone.published import CONFUSION, LABELS, MOST_CONFUSED, ROWS, Published
from unmask.capstone.rows import DIFFERS, NOISE, SAME, far_recalls, in_few_words, in_words, judge
from unmask.evaluation import rates

STUDY = [list(row) for row in CONFUSION]


def test_the_studys_matrix_is_the_studys() -> None:
    """Its sums and rates are those that the study reports: 3,976 of 5,741, macro-F1 .675, and its five pairs."""
    matrix = np.array(CONFUSION)
    assert (matrix.sum(), np.trace(matrix)) == (5741, 3976)
    assert round(float(rates.macro_f1(matrix)), 3) == 0.675
    for actual, predicted, count in MOST_CONFUSED:
        assert matrix[LABELS.index(actual), LABELS.index(predicted)] == count
    apart = matrix - np.diag(np.diag(matrix))
    assert sorted(apart.ravel())[-5:] == [95, 96, 127, 163, 163]


def test_every_row_has_its_own_key() -> None:
    """No key twice; what is judged has a value of the study."""
    keys = [row.key for row in ROWS]
    assert len(set(keys)) == len(keys)
    assert all((row.study is not None) == (row.judged not in ("shown", "none")) for row in ROWS)
    assert all(row.basis for row in ROWS if row.judged in ("near", "draws", "recalls", "pairs"))


def row(judged: str, study: object, tolerance: float = 0.0) -> Published:
    """A row to be judged."""
    return Published("step.key", "part", "quantity", study, judged, tolerance, why="a reason")


@pytest.mark.parametrize(
    ("published", "ours", "draws", "verdict"),
    [
        (row("exact", 7), 7, None, SAME),
        (row("exact", [1, 2]), [1, 2], None, SAME),
        (row("exact", 7), 8, None, DIFFERS),
        (row("near", 0.61, 0.023), 0.632, None, NOISE),
        (row("near", 0.61, 0.023), 0.634, None, DIFFERS),  # better is different too
        (row("most", 0.0, 0.0), 0.0, None, SAME),
        (row("most", 0.0, 0.0), 1e-9, None, DIFFERS),
        (row("draws", 0.25), 0.25, [0.24, 0.26, 0.25], NOISE),
        (row("draws", 0.18), 0.25, [0.24, 0.26, 0.25], DIFFERS),
        (row("pairs", [["a", "b", 3], ["b", "c", 2]], 2), [["b", "c", 9], ["a", "b", 1]], None, NOISE),
        (row("pairs", [["a", "b", 3], ["b", "c", 2]], 2), [["b", "a", 9], ["a", "b", 1]], None, DIFFERS),
        (row("recalls", STUDY), STUDY, None, NOISE),
    ],
)
def test_verdicts(published: Published, ours: object, draws: list[float] | None, verdict: str) -> None:
    """Each way of judging, on both sides of its bound; a difference has a reason."""
    found, why = judge(published, {"value": ours, "draws": draws})
    assert found == verdict
    assert bool(why) == (verdict == DIFFERS)


def test_far_recalls_by_hand() -> None:
    """Angry: 478 of 810 are .590; the standard error of a difference of two such shares is .0244, times 2.69 .0657."""
    near, far = ([list(row) for row in CONFUSION] for _ in range(2))
    near[0][0], near[0][5] = 478 - 52, 95 + 52  # .064 less
    far[0][0], far[0][5] = 478 - 55, 95 + 55  # .068 less
    assert far_recalls(STUDY, near) == []
    assert far_recalls(STUDY, far) == ["angry"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (28709, "28,709"),
        (0.6926, "0.693"),
        (0.0, "0"),
        (0.00012, "0.00012"),
        ([24, 12, 6], "24 / 12 / 6"),
        ([["fear", "sad", 163]], "fear/sad 163"),
        ([[0, 70, 80, 82]], "0 [70, 80, 82, ...]"),
        (STUDY, "5,741 rows"),
    ],
)
def test_in_words(value: object, words: str) -> None:
    """Each kind of value as a table shows it."""
    assert in_words(value) == words


def test_in_few_words() -> None:
    """Cut, and seen to be."""
    assert in_few_words(["a" * 30, "b" * 30]) == "a" * 30 + " / bbb ..."
    assert in_few_words(7) == "7"


def test_outputs_that_touch_padding() -> None:
    """Of a map of 48 x 48 the ring of 188; at stride 2 the first row and column, 24 + 23; of one pixel all."""
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from unmask.capstone.lessons import touching

    assert touching(48, 1) * 48 * 48 == pytest.approx(188)
    assert touching(48, 2) * 24 * 24 == pytest.approx(47)
    assert touching(1, 2) == 1


def test_matrix_as_a_table() -> None:
    """Counts, shares and totals; with sprites every cell is a button that says itself."""
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from unmask.capstone.interactive import matrix

    plain = matrix([[3, 1], [0, 4]], ["a", "b"], caption="C")
    assert "<small>75%</small>" in plain
    assert "<button" not in plain
    assert '<td class="total">4</td>' in plain
    live = matrix([[3, 1], [0, 4]], ["a", "b"], caption="C", sprites=b"\xff\xd8")
    assert live.count("<button") == 4
    assert 'data-said="a, read as b: 1, 25% of its row"' in live
    assert 'data-cell="2" data-faces="0"' in live


def test_a_part_of_the_data() -> None:
    """So many rows of each class, or in all; Validation drawn plainly; nothing is left out where 0 is asked for."""
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from tiny_faces import bars

    from unmask.capstone.training import length, part
    from unmask.datasets.splits import eighty_twenty

    split = eighty_twenty(bars(), together=False, seed=0)
    few = part(split, rows_per_class=5, measured=9)
    learned = few.labels[few.splits == "Training"]
    assert np.bincount(learned).tolist() == [5] * 7
    assert int((few.splits == "Validation").sum()) == 9
    assert len(part(split, rows=11).split("Training")) == 11
    assert len(part(split)) == len(split)
    rises = [length("mobilenet_scratch", epochs)["warmup_epochs"] for epochs in (1, 2, 5, 20)]
    assert rises == [0, 1, 1, 4]  # a fifth, as in the recipe


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS.keys())
def test_rates_are_compared_after_they_have_played_a_part(budget: Budget) -> None:
    """While the body is frozen the head has a rate of its own, so that a comparison then would be of nothing."""
    assert budget.future.frozen_epochs < budget.future.tried_epochs <= budget.future.epochs
    assert 1 <= budget.vgg19.tried_epochs <= budget.vgg19.epochs
