"""Audit and description of data made by hand, near copies, the pages, and what --fix leaves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from data_strategies import datasets
from hypothesis import given, settings
from numpy.typing import NDArray

from unmask.datasets import FaceDataset
from unmask.datasets.audit import audit, fixed_rows, ordered_splits, require_rows
from unmask.datasets.audit_page import audit_page
from unmask.datasets.describe import describe
from unmask.datasets.near import correlation, near_copies
from unmask.errors import DataError
from unmask.expressions import FER2013


def noise(seed: int) -> NDArray[np.uint8]:
    """A smooth picture with nothing in common with one of another seed."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (48, 48), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def hand_made() -> FaceDataset:
    """Nine rows: a triple copy across splits (0, 2, 7), a pair in conflict (1, 3), two blanks (4, 8), two others."""
    a, b, c, d = (noise(seed) for seed in range(4))
    blank = np.zeros((48, 48), np.uint8)
    images = np.stack([a, b, a, b, blank, c, d, a, blank + 9])
    labels = np.array([3, 4, 3, 2, 0, 6, 6, 3, 6])
    splits = np.array(["Training"] * 6 + ["PublicTest"] * 3)
    votes = np.zeros((9, 10), np.uint8)
    votes[:, 1] = 10
    votes[5] = [0] * 9 + [10]  # row 5: no tagger saw a face
    votes[6] = [1] + [0] * 8 + [9]
    return FaceDataset("hand", images, labels, FER2013, splits, "c" * 64, votes)


def test_counts_by_hand() -> None:
    """Each count is what a person counts: an exact copy is a row whose pixels stand in an earlier row."""
    found = audit(hand_made())
    assert found.to_json() == {
        "images": 9,
        "unique": 6,
        "exact_copies": 3,
        "copies_across_splits": {"Training/PublicTest": 1},
        "near_copies": 0,
        "near_copies_across_splits": {"Training/PublicTest": 0},
        "blank": 2,
        "conflicting_groups": 1,
        "not_a_face": 1,
    }
    assert found.repeats.tolist() == [2, 3, 7]
    assert [rows.tolist() for rows in found.conflicting] == [[1, 3]]


def test_nothing_to_audit() -> None:
    """Data without rows are refused."""
    with pytest.raises(DataError, match="no rows, so nothing to audit"):
        audit(hand_made().select(np.empty(0, dtype=np.int64)))


def test_without_votes_and_near() -> None:
    """What was not looked for is null, not 0."""
    counts = audit(dataclasses.replace(hand_made(), votes=None), near=False).to_json()
    assert (counts["not_a_face"], counts["near_copies"], counts["near_copies_across_splits"]) == (None, None, None)


def test_fix_keeps_the_test_split() -> None:
    """Of the triple the copy in PublicTest stays; the pair in conflict, the blanks and the faceless go."""
    dataset = hand_made()
    assert fixed_rows(dataset, audit(dataset)).tolist() == [6, 7]


@settings(max_examples=30)
@given(datasets(max_rows=20, side=3))
def test_fixed_data_have_nothing_left(dataset: FaceDataset) -> None:
    """Whatever the data: an audit of what is left finds nothing, and one of each picture that is in order is there."""
    found = audit(dataset)
    rows = fixed_rows(dataset, found)
    assert found.near is not None
    lost = np.concatenate([found.blank, *found.conflicting, found.not_a_face if found.not_a_face is not None else []])
    ordered = set(dataset.groups.tolist()) - set(dataset.groups[lost.astype(int)].tolist())
    near = {frozenset(dataset.groups[pair].tolist()) for pair in found.near}
    kept = dataset.groups[rows].tolist()
    assert len(kept) == len(set(kept))
    # A picture that is in order is missing only where one that it is a near copy of stays, through others perhaps.
    assert set(kept) <= ordered
    if not near:
        assert set(kept) == ordered
    for lone in ordered - {group for pair in near for group in pair}:
        assert lone in kept
    if not len(rows):
        with pytest.raises(DataError, match="nothing is left"):
            require_rows(dataset, rows)
        return
    left = audit(dataset.select(rows)).to_json()
    assert left["images"] == left["unique"]
    assert [left[key] for key in ("exact_copies", "near_copies", "blank", "conflicting_groups")] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("change", "is_copy"),
    [
        (lambda p: cv2.convertScaleAbs(p, alpha=0.8, beta=20), True),  # contrast and brightness
        (lambda p: cv2.GaussianBlur(p, (0, 0), 1.0), True),
        (lambda p: cv2.resize(cv2.resize(p, (30, 30)), (48, 48)), True),
        (lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 0), True),
        (lambda p: np.roll(p, 1, axis=1), True),  # cut one pixel further
        (lambda p: p[:, ::-1], False),  # a mirror image is another picture
        (lambda p: noise(99), False),
    ],
)
def test_near_copies(change: Any, is_copy: bool) -> None:
    """A photograph treated a little differently is found, once, with its correlation; another one is not."""
    images = np.stack([noise(1), noise(2), np.asarray(change(noise(1)), np.uint8), noise(3)])
    pairs, correlations = near_copies(images)
    assert pairs.tolist() == ([[0, 2]] if is_copy else [])
    if is_copy:
        assert correlations[0] == pytest.approx(np.corrcoef(images[0].ravel(), images[2].ravel())[0, 1], abs=1e-5)


def test_correlation_of_blanks() -> None:
    """A picture of one grey correlates with nothing, and no warning is raised."""
    assert correlation(np.zeros((4, 4), np.uint8), noise(1)[:4, :4]) == 0.0


def test_near_copies_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs are found wherever their rows lie."""
    monkeypatch.setattr("unmask.datasets.near._BLOCK", 2)
    images = np.stack([noise(seed) for seed in (1, 2, 3, 4, 5)] + [cv2.GaussianBlur(noise(1), (0, 0), 1.0)])
    assert near_copies(images.astype(np.uint8))[0].tolist() == [[0, 5]]


def test_order_of_splits() -> None:
    """From learned to measured; names of the user's own stand between."""
    names = np.array(["PrivateTest", "mine", "PublicTest", "Training"])
    assert ordered_splits(names) == ["Training", "mine", "PublicTest", "PrivateTest"]
    assert ordered_splits(np.array(["b", "a", "b"])) == ["b", "a"]


def test_description_by_hand() -> None:
    """Counts, first pixels, moments and agreement are what a person computes."""
    figures = json.loads(json.dumps(describe(hand_made())))
    training = figures["splits"]["Training"]
    assert training["rows"] == 6
    assert training["classes"] == {
        "angry": 1,
        "disgust": 0,
        "fear": 1,
        "happy": 2,
        "sad": 1,
        "surprise": 0,
        "neutral": 1,
    }
    images = hand_made().images
    assert figures["pixels"]["mean"] == pytest.approx(images.mean())
    assert figures["pixels"]["std"] == pytest.approx(images.std())
    assert (figures["pixels"]["min"], figures["pixels"]["max"]) == (images.min(), images.max())
    assert figures["first_rows"][0] == {"label": 3, "pixels": images[0, 0, :3].tolist()}
    agreement = figures["ferplus"]
    assert agreement["majority_rows"] == {"Training": 5, "PublicTest": 2}
    assert agreement["classes"]["happy"] == {"rows": 3, "agree": 1.0}
    assert agreement["classes"]["sad"] == {"rows": 1, "agree": 0.0}
    assert agreement["classes"]["disgust"] == {"rows": 0, "agree": None}
    assert agreement["plurality"] == {"rows": 7, "agree": pytest.approx(3 / 7)}


def test_description_of_rows_without_labels() -> None:
    """Unlabelled rows are counted as such."""
    dataset = dataclasses.replace(
        hand_made(), labels=np.full(9, -1), votes=None, subjects=np.array(["", "x"] * 4 + [""])
    )
    figures = describe(dataset)
    assert figures["splits"]["Training"]["unlabelled"] == 6
    assert figures["subjects"] == 1


def test_audit_page_shows_what_was_found() -> None:
    """The page names rows, splits, labels and counts, and escapes names that come from files."""
    dataset = hand_made()
    named = dataclasses.replace(dataset, names=np.array([f"<b>{row}</b>.png" for row in range(9)]))
    page = audit_page(named, audit(named))
    assert "Images of PublicTest that stand in Training, pixel for pixel: 1." in page
    assert "&lt;b&gt;1&lt;/b&gt;.png Training sad" in page
    assert "<b>" not in page
    assert page.count("<img") == 1 + 2 + 2 + 1  # conflict; copies; blanks; not a face


@pytest.mark.slow
def test_pictures_of_a_description(tmp_path: Path) -> None:
    """The page and each picture as PNG and SVG are written; the mean face of a class is its mean."""
    pytest.importorskip("matplotlib")
    from unmask.datasets.describe_page import write_pictures

    written = write_pictures(hand_made(), describe(hand_made()), tmp_path / "out")
    assert {path.name for path in written} == {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        f"{name}{end}" for name in ("classes", "samples", "mean_faces", "agreement") for end in (".png", ".svg")
    } < {path.name for path in written}
    page = written[0].read_text()
    assert page.count("<img") == 4
    assert ">3 happy<" in page
