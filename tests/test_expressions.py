"""Labels, taxonomies, the projection between them, and the hint in error messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from unmask.errors import DataError, MissingExtraError, UnmaskError, suggest
from unmask.expressions import FER2013, FERPLUS, Expression, Taxonomy, project, taxonomy_named


def test_the_codes_are_those_of_the_published_files() -> None:
    """FER2013 counts 0 to 6, FER+ in the order of its vote columns."""
    assert FER2013.labels == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert FERPLUS.labels == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
    assert [FER2013.code(label) for label in FER2013.labels] == list(range(7))


@pytest.mark.parametrize("labels", [(), ("happy",), ("happy", "happy")])
def test_a_taxonomy_needs_two_different_labels(labels: tuple[Expression, ...]) -> None:
    """None, one, and one twice are refused."""
    with pytest.raises(DataError, match="two or more different"):
        Taxonomy("odd", labels)


def test_text_becomes_labels() -> None:
    """Labels read from a model file are members of Expression."""
    taxonomy = Taxonomy("two", ("happy", "sad"))  # type: ignore[arg-type]
    assert taxonomy.labels == (Expression.HAPPY, Expression.SAD)
    assert len(taxonomy) == 2


def test_an_unknown_label_is_named_with_its_neighbour() -> None:
    """A slip of the pen gets a hint, in both look-ups."""
    with pytest.raises(DataError, match="did you mean 'happy'"):
        FER2013.code("hapy")
    with pytest.raises(DataError, match="'contempt' is no label of taxonomy 'fer2013'"):
        FER2013.code("contempt")
    with pytest.raises(DataError, match="did you mean 'ferplus'"):
        taxonomy_named("fer+plus")
    assert taxonomy_named("fer2013") is FER2013


def test_projection_by_hand() -> None:
    """Contempt is left out and the rest rescaled: .2 of .8 is .25."""
    scores = np.array([0.2, 0.4, 0.1, 0.1, 0.0, 0.0, 0.0, 0.2])
    expected = [0, 0, 0, 0.5, 0.125, 0.125, 0.25]  # angry disgust fear happy sad surprise neutral
    np.testing.assert_allclose(project(scores, FERPLUS, FER2013), expected)


def test_projection_to_a_label_that_the_source_lacks() -> None:
    """From FER2013 to FER+ contempt gets nothing, and nothing else changes."""
    scores = np.array([0.1, 0.1, 0.1, 0.3, 0.1, 0.1, 0.2])
    there = project(scores, FER2013, FERPLUS)
    assert there[FERPLUS.code("contempt")] == 0
    np.testing.assert_allclose(project(there, FERPLUS, FER2013), scores)


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.just(8)), elements=st.floats(1e-6, 1)))
def test_projection_sums_to_one_and_keeps_ratios(scores: NDArray[np.float64]) -> None:
    """Any batch, the empty one included; the odds of two labels that both taxonomies have stay the same."""
    out = project(scores, FERPLUS, FER2013)
    assert out.shape == (*scores.shape[:-1], 7)
    np.testing.assert_allclose(out.sum(axis=-1), 1)
    odds = scores[:, FERPLUS.code("happy")] / scores[:, FERPLUS.code("sad")]
    np.testing.assert_allclose(out[:, FER2013.code("happy")] / out[:, FER2013.code("sad")], odds)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones(7) / 7, "expected 8 scores"),
        (np.array([0, 0, 0, 0, 0, 0, 0, 1.0]), "no score left"),  # all of it contempt
    ],
)
def test_projection_refuses(scores: NDArray[np.float64], message: str) -> None:
    """A vector of another taxonomy, and one with nothing to keep."""
    with pytest.raises(DataError, match=message):
        project(scores, FERPLUS, FER2013)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("yunett", ["yunet", "mtcnn"], "did you mean 'yunet'? known: mtcnn, yunet"),
        ("zzz", ["yunet", "mtcnn"], "known: mtcnn, yunet"),  # nothing near
        ("a", [], "known: none"),
        ("", ["whole"], "known: whole"),
    ],
)
def test_suggest(name: str, known: list[str], expected: str) -> None:
    """The nearest name if there is one, then all of them in order."""
    assert suggest(name, known) == expected


def test_a_missing_extra_names_its_install_line() -> None:
    """The message can be pasted into a shell."""
    error = MissingExtraError("pyarrow", "parquet")
    assert str(error) == "pyarrow is not installed; it comes with: pip install 'unmask[parquet]'"
    assert isinstance(error, UnmaskError)
