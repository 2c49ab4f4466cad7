"""Pixels as text: the two readings of a row, FER2013's CSV layouts, their errors, and the cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from data_strategies import assert_same_rows
from hypothesis import given
from hypothesis import strategies as st

from unmask.datasets import csv_rows, load_dataset
from unmask.datasets.fer2013 import write
from unmask.datasets.pixels import parse_block, parse_pixels
from unmask.errors import DataError, InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("UNMASK_CACHE", str(folder))
    return folder


def row(value: int = 7, count: int = 2304) -> str:
    """Pixels of one grey."""
    return " ".join([str(value)] * count)


def blocked(rows: list[bytes], count: int) -> np.ndarray | None:
    """What parse_block makes of rows that stand below each other."""
    ends = np.cumsum([len(text) + 1 for text in rows]) - 1
    digits = sum(len(text) - (count - 1) for text in rows)
    return parse_block(np.frombuffer(b"\n".join(rows) + b"\n", np.uint8), ends, digits, count)


@given(st.lists(st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=1, max_size=6))
def test_block_reads_every_plain_row(rows: list[list[int]]) -> None:
    """Whatever is written as plain numbers is read as those numbers."""
    read = blocked([" ".join(map(str, numbers)).encode() for numbers in rows], 3)
    assert read is not None
    assert read.tolist() == rows


@given(st.lists(st.text("0123456789 ,-x", min_size=1, max_size=12), min_size=1, max_size=3))
def test_block_is_never_wrong(rows: list[str]) -> None:
    """Of any text, parse_block says the same as parse_pixels, or nothing."""
    encoded = [text.encode() for text in rows]
    read = blocked(encoded, 3)
    if read is not None:
        assert read.tolist() == [parse_pixels(text, 3).tolist() for text in encoded]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"1 2", "expected 3 pixels, got 2"),
        (b"1 2 3 4", "expected 3 pixels, got 4"),
        (b"1 2 256", "0 to 255, got 256"),
        (b"1 2 -3", "whole numbers parted by spaces, got '-3'"),
        (b"1 2.5 3", "got '2.5'"),
        (b"", "expected 3 pixels, got 0"),
        (b"1 2 " + b"9" * 5000, "0 to 255, got 9999"),  # longer than Python turns into a number
    ],
)
def test_wrong_pixels_are_named(text: bytes, words: str) -> None:
    """Each kind of damage has its own message, and the fast reading declines it."""
    with pytest.raises(DataError, match=words):
        parse_pixels(text, 3)
    assert blocked([text], 3) is None


PUBLISHED = {
    "fer2013.csv": f"emotion,pixels,Usage\n3,{row(1)},Training\n0,{row(2)},PublicTest\n6,{row(255)},PrivateTest\n",
    "icml_face_data.csv": "emotion, Usage, pixels\n"
    f"3,Training,{row(1)}\n0,PublicTest,{row(2)}\n6,PrivateTest,{row(255)}\n",
    "train.csv": f'emotion,pixels\r\n3,"{row(1)}"\r\n0,"{row(2)}"\r\n6,"{row(255)}"\r\n',
    "test.csv": f'pixels\r\n"{row(1)}"\r\n"{row(2)}"\r\n"{row(255)}"\r\n',
    "bom_no_last_break.csv": f"\ufeffemotion,pixels\n3,{row(1)}\n0,{row(2)}\n\n6,{row(255)}",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_layouts(tmp_path: Path, name: str) -> None:
    """Every published form gives the same pixels, its labels and splits, and the checksum of the file."""
    path = tmp_path / name
    path.write_bytes(PUBLISHED[name].encode())
    dataset = load_dataset(path)
    assert dataset.name == "FER2013"
    assert dataset.images.shape == (3, 48, 48)
    assert dataset.images[:, 5, 7].tolist() == [1, 2, 255]
    assert dataset.labels.tolist() == ([-1] * 3 if name == "test.csv" else [3, 0, 6])
    by_usage = ["Training", "PublicTest", "PrivateTest"]
    without = ["PublicTest" if name == "test.csv" else "Training"] * 3
    assert dataset.splits.tolist() == (by_usage if "sage" in PUBLISHED[name][:40] else without)
    assert dataset.checksum == hashlib.sha256(path.read_bytes()).hexdigest()


def test_pieces_join_seamlessly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are the same whether a file is read in one piece or in many, also where one piece needs the slow reading."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 2304))
    lines = [f"{n % 7},{' '.join(map(str, image))},Training" for n, image in enumerate(images)]
    lines[17] = lines[17].replace(" ", "  ", 1)  # two spaces: only the slow reading takes them
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(csv_rows, "_PIECE", 20_000)
    dataset = load_dataset(tmp_path / "fer2013.csv", cache=False)
    np.testing.assert_array_equal(dataset.images.reshape(40, 2304), images)
    assert dataset.labels.tolist() == [n % 7 for n in range(40)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"emotion,pixels\n3,{row()}\n3,{row(count=2303)}\n", "line 3: expected 2304 pixels, got 2303"),
        (f"emotion,pixels\n3,{row(256)}\n", "line 2: pixels must be 0 to 255, got 256"),
        (f"emotion,pixels\n7,{row()}\n", "line 2: expected a number 0 to 6 in 'emotion', got '7'"),
        (f"emotion,pixels\nhappy,{row()}\n", "got 'happy'"),
        (f"emotion,pixels\n-1,{row()}\n", "got '-1'"),
        (f"emotion,pixels,Usage\n3,{row()},Testing\n", "expected one of Training, PublicTest, PrivateTest"),
        (f"emotion,pixels,Usage\n3,{row()}\n", r"expected 3 cells \(emotion, pixels, usage\), got 2"),
        (f"emotion,pixels,Usage\n3,{row()}\n3,{row()},Training,x,y\n", "line 2: expected 3 cells"),
        ("emotion,pixels\n", "no row that can be read"),
        ("emotion,usage\n3,Training\n", "column missing: 'pixels'"),
        (f"emotion,emotion,pixels\n3,3,{row()}\n", "not a FER2013 CSV"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, words: str) -> None:
    """The message names the file, the line, what was expected and what to do."""
    path = tmp_path / "fer2013.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        load_dataset(path, layout="fer2013")
    assert str(path) in str(caught.value)


def test_skip_bad_goes_on_and_lists(tmp_path: Path) -> None:
    """Damaged pixels and unknown labels are left out and listed with their lines; the rest is read."""
    path = tmp_path / "fer2013.csv"
    path.write_text(f"emotion,pixels\n3,{row(1)}\n3,1 2\n9,{row(2)}\n4,{row(3)}\nx\n")
    dataset = load_dataset(path, skip_bad=True)
    assert dataset.images[:, 0, 0].tolist() == [1, 3]
    assert dataset.labels.tolist() == [3, 4]
    assert sorted(entry.where for entry in dataset.left_out) == ["line 3", "line 4", "line 6"]
    with pytest.raises(DataError, match="line 3"):  # nothing of it was kept for a strict load
        load_dataset(path)


@pytest.mark.parametrize("line", ["7,{pixels}", "3,1 2"])
def test_nothing_left_is_an_error(tmp_path: Path, line: str) -> None:
    """Where every row is bad, in its label or in its pixels, the error is that of a header alone, with the reason."""
    path = tmp_path / "fer2013.csv"
    path.write_text("emotion,pixels\n" + f"{line.format(pixels=row())}\n" * 2)
    with pytest.raises(DataError, match="has a header and no row that can be read; the first of 2: line 2: expected"):
        load_dataset(path, skip_bad=True)


def test_missing_file(tmp_path: Path) -> None:
    """A path that is not there is said to be not there."""
    with pytest.raises(InputError, match="no such file"):
        load_dataset(tmp_path / "fer2013.csv")


def small(path: Path, value: int = 5) -> Path:
    """A file of one row."""
    path.write_text(f"emotion,pixels,Usage\n3,{row(value)},Training\n")
    return path


def test_later_loads_come_from_the_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second load parses nothing, gives the same, and may be changed in memory without changing the cache."""
    path = small(tmp_path / "fer2013.csv")
    first = load_dataset(path)
    monkeypatch.setattr(csv_rows, "parse_block", None)
    monkeypatch.setattr(csv_rows, "parse_pixels", None)
    second = load_dataset(path)
    assert_same_rows(first, second)
    assert second.checksum == first.checksum
    second.images[:] = 0
    assert load_dataset(path).images.max() == 5
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    assert_same_rows(first, load_dataset(copy))  # the same content elsewhere is known by its checksum
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == []
    assert any(cache.rglob("images.npy"))


def test_the_cache_keeps_no_name(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set is called after its own file, also when another file of the same content was parsed before."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(f"label_ferplus,pixels,Usage\n3,{row()},Training\n")
    assert load_dataset(tmp_path / "first.csv").name == "first"
    (rows,) = cache.rglob("rows.json")
    rows.write_text(json.dumps({"name": "first", **json.loads(rows.read_text())}))  # as they were written before
    monkeypatch.setattr(csv_rows, "parse_block", None)
    monkeypatch.setattr(csv_rows, "parse_pixels", None)
    assert load_dataset(tmp_path / "second.csv").name == "second"


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    """Neither the same size nor the same time of change alone makes a file the old one."""
    path = small(tmp_path / "fer2013.csv", 5)
    load_dataset(path)
    status = path.stat()
    small(path, 6)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert load_dataset(path).images.max() == 6


@pytest.mark.parametrize("damage", ["truncated", "not json", "other shape"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, cache: Path, damage: str) -> None:
    """A cache entry that is not whole is never trusted."""
    path = small(tmp_path / "fer2013.csv")
    load_dataset(path)
    (images,) = cache.rglob("images.npy")
    if damage == "truncated":
        images.write_bytes(images.read_bytes()[:-100])
    elif damage == "not json":
        (images.parent / "rows.json").write_text("{")
    else:
        np.save(images, np.zeros((2, 48, 48), np.uint8))
    assert load_dataset(path).images.max() == 5
    assert np.load(images).shape == (1, 48, 48)


def test_an_unwritable_cache_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be written the data set is read all the same."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "file"))
    assert len(load_dataset(small(tmp_path / "fer2013.csv"))) == 1


def test_without_a_home_there_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home folder, as in some containers, reads data all the same."""

    def nowhere(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in ("UNMASK_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert len(load_dataset(small(tmp_path / "fer2013.csv"))) == 1
    monkeypatch.setattr(Path, "expanduser", nowhere)
    monkeypatch.setenv("UNMASK_CACHE", "~/cache")
    assert len(load_dataset(tmp_path / "fer2013.csv")) == 1


def test_what_a_plain_csv_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A comma in a name is not written into a file that could not be read again."""
    from dataclasses import replace

    dataset = replace(load_dataset(small(tmp_path / "fer2013.csv")), subjects=np.array(["Doe, Jane"]))
    with pytest.raises(DataError, match="Parquet"):
        write(dataset, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected fer2013new.csv"),
        ("Usage,neutral\nTraining,1\n", "columns missing: NF, anger"),
        (
            VOTES + "Training,a.png,1,2,3,4,5,6,7,8,9,0\nTraining,a.png,1,2,3,x,5,6,7,8,9,0\n",
            "line 3: expected ten vote",
        ),
        (VOTES + "Training,a.png,1,2\n", "line 2: expected ten vote"),
        (VOTES.removeprefix("Usage,").strip() + ",Usage\na.png,1,2,3,4,5,6,7,8,9,0\n", "line 2: .* and the split"),
        (VOTES + "Training,a.png,1,2,3,4,5,6,7,8,9,0\n" * 2, "has 2 rows for the splits of FER2013, which has 1"),
    ],
)
def test_votes_that_do_not_fit(tmp_path: Path, text: str, words: str) -> None:
    """FER+'s file is checked cell by cell, and against the rows that it is laid beside."""
    (tmp_path / "fer2013new.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        load_dataset(small(tmp_path / "fer2013.csv"), ferplus_path=tmp_path / "fer2013new.csv")


def test_votes_are_laid_beside_the_splits_that_are_there(tmp_path: Path) -> None:
    """Votes of rows in splits that the FER2013 file lacks are passed over."""
    text = VOTES + "Training,a.png,1,2,3,4,5,6,7,8,9,0\nPublicTest,b.png,0,0,0,0,0,0,0,0,0,9\n"
    (tmp_path / "fer2013new.csv").write_text(text)
    dataset = load_dataset(small(tmp_path / "fer2013.csv"), ferplus_path=tmp_path / "fer2013new.csv")
    assert dataset.votes is not None
    assert dataset.votes.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]]
