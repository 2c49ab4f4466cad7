"""Splits: groups stay together, classes keep their shares, the file fits its data only."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_strategies import datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.datasets import FaceDataset, Split, load_dataset
from unmask.datasets.export import write_dataset
from unmask.datasets.split_file import make_split
from unmask.datasets.splits import eighty_twenty, fold_numbers, holdout_mask, linked_groups
from unmask.errors import ConfigError, DataError, InputError
from unmask.expressions import FER2013


def made(labels: list[int], copies: list[int], subjects: list[str] | None = None) -> FaceDataset:
    """Rows whose pixels are given by ``copies``: the same number, the same picture."""
    images = np.array(copies, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), dtype=np.uint8)
    splits = np.full(len(labels), "Training")
    named = None if subjects is None else np.array(subjects)
    return FaceDataset("made", images, np.array(labels), FER2013, splits, "a" * 64, subjects=named)


def parted(names: np.ndarray, groups: np.ndarray) -> list[int]:
    """Groups that stand in more than one split."""
    return [group for group in set(groups.tolist()) if len(set(names[groups == group].tolist())) > 1]


def test_eighty_twenty() -> None:
    """The labelled rows of Training alone, a fifth of them Validation; copies parted as they fall, or together."""
    dataset = made([0, 1, 2, 3, 4] * 20 + [-1, 0], [row // 2 for row in range(100)] + [60, 61])
    dataset = dataclasses.replace(dataset, splits=np.array(["Training"] * 101 + ["PublicTest"]))
    plain, together = (eighty_twenty(dataset, together=way, seed=0) for way in (False, True))
    for split in (plain, together):
        assert len(split) == 100
        assert (split.splits == "Validation").sum() == 20
    assert parted(plain.splits, plain.groups)
    assert not parted(together.splits, together.groups)
    assert not np.array_equal(plain.splits, eighty_twenty(dataset, together=False, seed=1).splits)


def test_linked_groups_by_hand() -> None:
    """Rows are linked by pixels and by subject, also over several steps; an unknown subject links nothing."""
    dataset = made([0] * 7, [1, 1, 2, 3, 4, 5, 6], ["", "anna", "anna", "ben", "", "", "ben"])
    groups = linked_groups(dataset)
    together = [[0, 1, 2], [3, 6], [4], [5]]
    assert sorted(np.flatnonzero(groups == group).tolist() for group in set(groups.tolist())) == together


@settings(max_examples=60)
@given(datasets(max_rows=30, side=3), st.sampled_from(["holdout", "kfold"]), st.booleans(), st.integers(0, 99))
def test_a_group_is_never_parted(dataset: FaceDataset, method: str, stratify: bool, seed: int) -> None:
    """Whatever the data: copies and rows of a subject lie on one side, and the same seed gives the same split."""
    try:
        split = make_split(dataset, method, seed=seed, folds=3, fraction=0.3, stratify=stratify)
    except DataError:  # so few groups that a part would be empty
        return
    assert parted(split.names, dataset.groups) == []
    if dataset.subjects is not None:
        known = dataset.subjects != ""
        _, subjects = np.unique(dataset.subjects, return_inverse=True)
        assert parted(split.names[known], subjects[known]) == []
    again = make_split(dataset, method, seed=seed, folds=3, fraction=0.3, stratify=stratify)
    assert split.names.tolist() == again.names.tolist()


def test_strata_keep_their_shares() -> None:
    """A fifth of each class is held out, to within one group; each fold gets its share."""
    labels = np.repeat([0, 1, 2], [1000, 100, 10])
    groups = np.arange(len(labels))
    mask = holdout_mask(groups, 0.2, seed=0, strata=labels)
    assert np.bincount(labels[mask]).tolist() == [200, 20, 2]
    folds = fold_numbers(groups, 5, seed=0, strata=labels)
    assert [np.bincount(labels[folds == fold]).tolist() for fold in range(5)] == [[200, 20, 2]] * 5


def test_strata_leave_the_plain_draw_as_it_was() -> None:
    """Without strata the draw is the one that models in the package were made with."""
    assert np.flatnonzero(holdout_mask(np.arange(12), 0.5, seed=0)).tolist() == [2, 4, 5, 7, 9, 11]


def test_study_splits() -> None:
    """The study's 80/20 takes a fifth, rounded down; its sample takes so many of each class and leaves the rest."""
    dataset = made([0] * 20 + [1] * 15, list(range(35)))
    assert (make_split(dataset, "study").names == "Validation").sum() == 7
    sample = make_split(dataset, "study-sample", training=10, validation=5)
    for code in (0, 1):
        names = sample.names[dataset.labels == code].tolist()
        assert (names.count("Training"), names.count("Validation")) == (10, 5)
    assert len(sample.apply(dataset)) == 30  # unused rows are left out
    with pytest.raises(DataError, match="'disgust' has 15 rows; 10 \\+ 6 were asked for"):
        make_split(dataset, "study-sample", training=10, validation=6)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("holdout", {"fraction": 0.00001}, "leaves Validation none of 20 rows; ask for a larger share"),
        ("holdout", {"fraction": 0.04}, "not for the shares of small classes"),  # one row a class is more than that
        ("kfold", {"folds": 21, "stratify": False}, "leaves fold21 none of 20 rows; ask for fewer folds"),
        ("study", {"within": "few"}, "leaves Validation none of 4 rows; give it data of more rows"),
        ("study-sample", {"within": "few"}, "made: no row has a label"),
    ],
)
def test_a_part_without_rows_is_refused(method: str, options: dict[str, Any], words: str) -> None:
    """A split without rows to learn from, or to validate on, is none."""
    labels, splits = [0, 1] * 10, ["Training"] * 20
    if options.get("within"):
        labels, splits = [*labels, *[-1] * 4], [*["rest"] * 20, *["few"] * 4]
    dataset = dataclasses.replace(made(labels, list(range(len(labels)))), splits=np.array(splits))
    with pytest.raises(DataError, match=words):
        make_split(dataset, method, **options)


def test_within_leaves_other_splits() -> None:
    """Only the rows of one split are drawn from."""
    dataset = made([0] * 20, list(range(20)))
    dataset = dataclasses.replace(dataset, splits=np.repeat(["Training", "PublicTest"], 10))
    split = make_split(dataset, "holdout", within="Training", fraction=0.3)
    names, counts = np.unique(split.names, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "PublicTest": 10,
        "Training": 7,
        "Validation": 3,
    }


def test_long_names_of_splits_stay(tmp_path: Path) -> None:
    """Two splits whose long names begin alike are two splits afterwards."""
    dataset = made(list(range(7)) * 3, list(range(21)))
    names = [f"{'a long name of a split, again and again':s} {row % 2}" if row > 6 else "Training" for row in range(21)]
    dataset = dataclasses.replace(dataset, splits=np.array(names))
    kept = make_split(dataset, "holdout", within="Training", fraction=0.3, stratify=False).apply(dataset)
    assert set(names[7:]) <= set(kept.splits.tolist())


def test_file_is_small_and_fits_its_data_only(tmp_path: Path) -> None:
    """Written and read again it is the same; other data is refused; 28,709 rows take less than 10 KB."""
    dataset = made(list(range(7)) * 3, list(range(21)))
    split = make_split(dataset, "kfold", folds=3, seed=4)
    split.write(tmp_path / "split.json")
    read = Split.read(tmp_path / "split.json")
    assert (read.names.tolist(), read.method, read.checksum) == (split.names.tolist(), split.method, split.checksum)
    first = read.apply(dataset, fold=1)
    assert sorted(set(first.splits.tolist())) == ["Training", "Validation"]
    assert (first.splits == "Validation").sum() == (split.names == "fold1").sum()
    with pytest.raises(ConfigError, match=r"^this split has 3 folds; choose with --fold, 1 to 3"):
        read.apply(dataset)
    with pytest.raises(ConfigError, match="no fold 4; this split has 3 folds"):
        read.apply(dataset, fold=4)
    with pytest.raises(ConfigError, match="has no folds; leave --fold out"):
        make_split(dataset, "holdout", stratify=False).apply(dataset, fold=1)
    with pytest.raises(DataError, match="made for data of 21 rows"):
        read.apply(dataclasses.replace(dataset, checksum="b" * 64), fold=1)
    large = Split("a" * 64, np.random.default_rng(0).choice(["Training", "Validation"], 28709, p=[0.8, 0.2]), {})
    large.write(tmp_path / "large.json")
    assert (tmp_path / "large.json").stat().st_size < 10_000


def test_only_the_folds_are_folds() -> None:
    """A split that is kept is not trained on because its name begins like a fold's; one named so is refused."""
    dataset = made([0] * 20, list(range(20)))
    dataset = dataclasses.replace(dataset, splits=np.repeat(["Training", "folder"], 10))
    first = make_split(dataset, "kfold", within="Training", folds=2).apply(dataset, fold=1)
    names, counts = np.unique(first.splits, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {"Training": 5, "Validation": 5, "folder": 10}
    dataset = dataclasses.replace(dataset, splits=np.repeat(["Training", "fold2"], 10))
    with pytest.raises(
        DataError, match="keeps a split 'fold2', and of what is drawn a part would be called so too; name it other"
    ):
        make_split(dataset, "kfold", within="Training", folds=2)


@pytest.mark.parametrize(("method", "within"), [("holdout", "Training"), ("kfold", "Training"), ("study", "Test")])
def test_a_part_is_not_joined_to_a_kept_split(method: str, within: str) -> None:
    """What is drawn from one split is called Training and Validation, which a split that is kept must not be."""
    dataset = made([0] * 30, list(range(30)))
    dataset = dataclasses.replace(dataset, splits=np.repeat(["Training", "Validation", "Test"], 10))
    with pytest.raises(DataError, match="and of what is drawn a part would be called so too; name it otherwise"):
        make_split(dataset, method, within=within, folds=2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"rows": ["AAAA"]}, "damaged"),
        ({"splits": {"Training": 1, "Validation": 1}}, "damaged"),
        ({"data": {"rows": 10**12, "sha256": ""}}, "damaged"),
        ({"data": {"rows": float("inf"), "sha256": ""}}, "no split file"),
        ({"data": None}, "no split file"),
        ({"method": {"folds": "x"}}, "damaged: 'x' folds, expected 2 to 100"),
        ({"method": {"folds": 10**12}}, "expected 2 to 100"),
    ],
)
def test_damaged_files(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """What was changed by hand is refused."""
    path = tmp_path / "split.json"
    make_split(made([0, 1, 2, 3], [1, 2, 3, 4]), "holdout", fraction=0.5, stratify=False).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=words):
        Split.read(path)
    for text in ("{", "[" * 200_000):
        path.write_text(text)
        with pytest.raises(DataError, match="no split file"):
            Split.read(path)
    with pytest.raises(InputError, match="cannot be opened"):
        Split.read(tmp_path / "none.json")


def test_load_with_a_split(tmp_path: Path) -> None:
    """load_dataset lays the file's splits over the data's own."""
    dataset = made([0, 1] * 5, list(range(10)))
    write_dataset(dataset, tmp_path / "set.csv")
    make_split(load_dataset(tmp_path / "set.csv", cache=False), "holdout", fraction=0.4).write(tmp_path / "s.json")
    loaded = load_dataset(tmp_path / "set.csv", split_file=tmp_path / "s.json", cache=False)
    assert (loaded.splits == "Validation").sum() == 4
    with pytest.raises(ConfigError, match=r"fold 2 of what.* --split-file"):
        load_dataset(tmp_path / "set.csv", fold=2, cache=False)


@pytest.mark.parametrize(
    "arguments", [{"method": "other"}, {"method": "holdout", "fraction": 1.0}, {"method": "kfold", "folds": 1}]
)
def test_wrong_arguments(arguments: dict[str, Any]) -> None:
    """A value outside its range is named."""
    with pytest.raises(ConfigError, match=r"unknown method|fraction 1.0|folds 1"):
        make_split(made([0, 1], [0, 1]), **arguments)
