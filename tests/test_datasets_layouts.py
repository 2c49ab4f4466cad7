"""One contract for every registered layout, the registry, and what each layout says about damage."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.datasets import (
    FaceDataset,
    Layout,
    LoadOptions,
    PictureRow,
    from_pictures,
    layout_names,
    layouts,
    load_dataset,
    register_layout,
)
from unmask.datasets.export import write_dataset
from unmask.datasets.ferplus import COLUMNS, read_votes
from unmask.errors import ConfigError, DataError, InputError, UnmaskError
from unmask.expressions import FER2013, FERPLUS
from unmask.images import PICTURE_SUFFIXES
from unmask.media import expand


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(path: Path, grey: int = 100, size: tuple[int, int] = (48, 48), mode: str = "L") -> Path:
    """A picture of one grey; a lossless format keeps the grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, grey if mode == "L" else (grey, grey, grey)).save(path)
    return path


def faces() -> FaceDataset:
    """Two rows, happy in Training and sad in PublicTest."""
    images = np.stack([np.full((48, 48), 10, np.uint8), np.full((48, 48), 20, np.uint8)])
    splits = np.array(["Training", "PublicTest"])
    return FaceDataset("two", images, np.array([3, 4]), FER2013, splits, "0" * 64)


def make_fer2013(folder: Path) -> tuple[Path, Path]:
    """FER2013's CSV."""
    write_dataset(faces(), folder / "fer2013.csv")
    return folder / "fer2013.csv", folder / "fer2013.csv"


def make_parquet(folder: Path) -> tuple[Path, Path]:
    """Our Parquet."""
    pytest.importorskip("pyarrow")
    write_dataset(faces(), folder / "shards", to="parquet")
    return folder / "shards", folder / "shards" / "part-00000.parquet"


def make_own_folder(folder: Path) -> tuple[Path, Path]:
    """Our folder."""
    write_dataset(faces(), folder / "own")
    return folder / "own", folder / "own" / "Training" / "happy" / "0.png"


def make_folders(folder: Path) -> tuple[Path, Path]:
    """Class folders in splits."""
    picture(folder / "set/test/Sadness/b.png", 20)
    return folder / "set", picture(folder / "set/train/happy/a.png", 10)


def make_table(folder: Path) -> tuple[Path, Path]:
    """A table of files."""
    picture(folder / "pictures/b.png", 20)
    damaged = picture(folder / "pictures/a.png", 10)
    (folder / "list.csv").write_text("path,label,subset\npictures/a.png,happy,train\npictures/b.png,sad,test\n")
    return folder / "list.csv", damaged


def make_rafdb(folder: Path) -> tuple[Path, Path]:
    """RAF-DB."""
    root = folder / "basic"
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel/list_patition_label.txt").write_text("train_00001.jpg 4\ntest_0001.jpg 5\n")
    picture(root / "Image/aligned/test_0001_aligned.jpg", 20, (100, 100), "RGB")
    return folder, picture(root / "Image/aligned/train_00001_aligned.jpg", 10, (100, 100), "RGB")


def make_affectnet(folder: Path) -> tuple[Path, Path]:
    """AffectNet's later form."""
    for name, code, number in (("train_set", "1", 7), ("val_set", "2", 9)):
        (folder / name / "annotations").mkdir(parents=True)
        np.save(folder / name / "annotations" / f"{number}_exp.npy", np.array(code))
        picture(folder / name / "images" / f"{number}.jpg", 10 * (1 + (number == 9)), (224, 224), "RGB")
    return folder, folder / "train_set/images/7.jpg"


MAKERS: dict[str, Callable[[Path], tuple[Path, Path]]] = {
    "fer2013": make_fer2013,
    "parquet": make_parquet,
    "own-folder": make_own_folder,
    "rafdb": make_rafdb,
    "affectnet": make_affectnet,
    "folders": make_folders,
    "table": make_table,
}
"""Writes two rows, happy (grey 10) to train on and sad (grey 20), and names a file whose damage must be noticed."""


def test_every_layout_is_under_contract() -> None:
    """Whoever registers a layout adds what makes a small one."""
    assert set(MAKERS) == set(layout_names())


@pytest.mark.parametrize("name", MAKERS)
def test_contract(tmp_path: Path, name: str) -> None:
    """Recognised by itself; crops, labels, splits and checksum as every data set has them; the same when read again."""
    path, _ = MAKERS[name](tmp_path)
    found, _ = layouts.find_layout(path)
    assert found.name == name
    dataset = load_dataset(path)
    assert dataset.images.dtype == np.uint8
    assert dataset.images.shape == (2, 48, 48)
    by_label = {str(dataset.taxonomy.labels[code]): row for row, code in enumerate(dataset.labels.tolist())}
    assert set(by_label) == {"happy", "sad"}
    for label, grey in (("happy", 10), ("sad", 20)):  # JPEG may move a flat grey by one
        assert abs(int(dataset.images[by_label[label], 24, 24]) - grey) <= 1
    assert dataset.splits[by_label["happy"]] == "Training"
    assert dataset.splits[by_label["sad"]] != "Training"
    assert re.fullmatch("[0-9a-f]{64}", dataset.checksum)
    again = load_dataset(path, layout=name)
    assert again.checksum == dataset.checksum
    np.testing.assert_array_equal(again.images, dataset.images)
    assert load_dataset(path, size=20).images.shape == (2, 20, 20)


@pytest.mark.parametrize("name", MAKERS)
def test_damage_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    """A file cut short or full of noise is an UnmaskError that names it, never a traceback; the checksum notices."""
    path, target = MAKERS[name](tmp_path)
    whole = target.read_bytes()
    for damaged in (whole[: len(whole) // 2], os.urandom(len(whole)), b""):
        target.write_bytes(damaged)
        with pytest.raises(UnmaskError) as caught:
            load_dataset(path, layout=name)
        assert target.name in str(caught.value) or path.name in str(caught.value)


def test_a_table_says_where(tmp_path: Path) -> None:
    """A row of a table is named by table and line, and a file once; what is passed over likewise."""
    (tmp_path / "0.png").write_bytes(b"no picture")
    table = tmp_path / "tab.csv"
    table.write_text("file,label\nnope.png,sad\n0.png,bored\n")
    with pytest.raises(InputError) as error:
        load_dataset(table)
    missing = tmp_path / "nope.png"
    assert str(error.value).startswith(f"tab.csv, line 2: {missing}: no such file; ")
    table.write_text("file,label\n0.png,bored\n")
    with pytest.raises(DataError, match=r"^tab\.csv, line 2, 0\.png: unknown label 'bored'"):
        load_dataset(table)
    table.write_text("file,label\nnope.png,sad\n")
    with pytest.raises(DataError, match=r"the first of 1: tab\.csv, line 2, nope\.png: no such file; "):
        load_dataset(table, skip_bad=True)


@pytest.mark.parametrize("name", ["own-folder", "rafdb", "affectnet", "folders", "table"])
def test_skip_bad_pictures(tmp_path: Path, name: str) -> None:
    """A picture that does not decode is left out and listed; without skip_bad the message says how to go on."""
    path, target = MAKERS[name](tmp_path)
    target.write_bytes(b"\xff\xd8\xff" + os.urandom(100))
    with pytest.raises(InputError, match=rf"{target.name}.*--skip-bad"):
        load_dataset(path)
    dataset = load_dataset(path, skip_bad=True)
    assert len(dataset) == 1
    assert len(dataset.left_out) == 1
    assert target.name in dataset.left_out[0].where


@pytest.mark.parametrize("layout", [None, *MAKERS])
def test_a_name_that_is_too_long(layout: str | None) -> None:
    """A path that the system refuses to look for is an input that cannot be read, whatever the layout."""
    with pytest.raises(InputError, match=r"name too long|no Parquet file"):
        load_dataset("x" * 300, layout=layout)


def test_unknown_layouts(tmp_path: Path) -> None:
    """Nothing recognisable, a wrong name, two data sets in one folder: each says what is known."""
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match="no layout that unmask knows"):
        load_dataset(tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'rafdb'"):
        load_dataset(tmp_path, layout="rafdbb")
    make_fer2013(tmp_path / "one")
    assert len(load_dataset(tmp_path / "one")) == 2  # the folder of a download stands for the one file in it
    write_dataset(faces(), tmp_path / "one" / "again.csv")
    with pytest.raises(DataError, match=r"again\.csv, fer2013\.csv"):
        load_dataset(tmp_path / "one")
    with pytest.raises(ValueError, match="registered already"):
        register_layout(Layout("rafdb", "", lambda path: False, lambda path, options: faces()))


def test_a_layout_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documentation's example works as it is printed."""
    monkeypatch.setattr(layouts, "_LAYOUTS", dict(layouts._LAYOUTS))
    text = (Path(__file__).parents[1] / "docs/datasets.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(from pathlib import Path\n.*?register_layout\(.*?)```", text, re.DOTALL)
    assert code is not None
    exec(code[1], {})
    picture(tmp_path / "happy-0001.png", 10)
    picture(tmp_path / "fear-0002.png", 20)
    dataset = load_dataset(tmp_path)
    assert [str(dataset.taxonomy.labels[code]) for code in dataset.labels.tolist()] == ["fear", "happy"]
    assert len(code[1].splitlines()) <= 20


def test_large_colour_pictures_become_small_and_grey(tmp_path: Path) -> None:
    """The largest square in the middle, weighted to grey, each pixel the mean of the area it covers."""
    pixels = np.zeros((96, 200, 3), np.uint8)
    pixels[:, 52:148] = (255, 0, 0)
    pixels[:, 52:100:2] = (0, 0, 255)
    (tmp_path / "set/happy").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "set/happy/a.png")
    picture(tmp_path / "set/sad/b.png")
    images = load_dataset(tmp_path / "set").images
    red, blue = 76, 29  # 0.299 and 0.114 of 255
    assert images[0, 10, 40] == red
    assert abs(int(images[0, 10, 10]) - (red + blue) / 2) <= 1


@dataclass
class Case:
    """A table that is wrong, and what must be said."""

    text: str
    words: str


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "path,label\na.png,happy\nb.png,cheerful\n",
            "line 3, b.png: unknown label 'cheerful'; expected one of angry",
        ),
        Case("path,label\na.png,3\n", "number; say which taxonomy"),
        Case("path,label\n,happy\n", "line 2: no file in 'path'"),
        Case("path,label\nc.png,happy\n", r"c\.png: no such file"),
        Case("label,value\nhappy,1\n", "column missing: expected one of file, path"),
        Case(
            "path,label,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\na.png,happy"
            + ",1" * 9
            + ",x\n",
            "line 2: expected 10 vote counts",
        ),
    ],
)
def test_wrong_tables(tmp_path: Path, case: Case) -> None:
    """The message names the table, the line and what was expected."""
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "list.csv").write_text(case.text)
    with pytest.raises(UnmaskError, match=case.words):
        load_dataset(tmp_path / "list.csv", layout="table")


def test_skip_bad_rows_of_a_table(tmp_path: Path) -> None:
    """A row without a file or with votes that are none is passed over and listed, as a damaged picture is."""
    picture(tmp_path / "a.png")
    votes = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = ["a.png,happy" + ",1" * 10, ",sad" + ",1" * 10, "a.png,sad" + ",1" * 9 + ",x"]
    (tmp_path / "list.csv").write_text("\n".join([f"path,label,{votes}", *rows]) + "\n")
    dataset = load_dataset(tmp_path / "list.csv", skip_bad=True)
    assert len(dataset) == 1
    assert [one.where for one in dataset.left_out] == ["list.csv, line 3", "list.csv, line 4"]
    folder = tmp_path / "own"
    write_dataset(dataset, folder)
    with open(folder / "rows.csv", "a") as file:
        file.write(",happy,Training,\n")
    with pytest.raises(DataError, match=r"rows\.csv, line 3: expected a file inside the folder"):
        load_dataset(folder)
    assert len(load_dataset(folder, skip_bad=True).left_out) == 1


def test_table_of_codes_in_parquet(tmp_path: Path) -> None:
    """Numbers are read with a taxonomy; subjects are kept; a path inside a folder is relative to the table."""
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    picture(tmp_path / "p/a.png", 1)
    picture(tmp_path / "p/b.png", 2)
    table = pa.table({"file": ["p/a.png", "p/b.png"], "label": [0, 7], "subject": ["anna", None]})
    pq.write_table(table, tmp_path / "list.parquet")
    dataset = load_dataset(tmp_path / "list.parquet", taxonomy="ferplus")
    assert dataset.taxonomy == FERPLUS
    assert dataset.labels.tolist() == [0, 7]
    assert dataset.subjects is not None
    assert dataset.subjects.tolist() == ["anna", ""]
    assert dataset.names is not None
    assert dataset.names.tolist() == ["p/a.png", "p/b.png"]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("0000000003000", "label '0000000003000'; expected 0 to 6"),  # whose beginning is a code
        ("9" * 5000, "label '9999"),  # more digits than Python turns into a number
        ("7", "label '7'; expected 0 to 6"),
        ("--5", "unknown label '--5'"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "unknown label"),
    ],
)
def test_labels_that_are_no_codes(tmp_path: Path, label: str, words: str) -> None:
    """A number outside the taxonomy, however long, names the row and is no other class; nor is what looks like one."""
    picture(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text(f"path,label\na.png,{label}\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"line 2.*{words}"):
        load_dataset(tmp_path / "list.csv", taxonomy="fer2013")


def test_affectnet_tables(tmp_path: Path) -> None:
    """The first form: boxes cut from pictures, codes 0 to 7, rows without an expression passed over."""
    pixels = np.zeros((60, 100), np.uint8)
    pixels[10:58, 20:68] = 200
    (tmp_path / "Manually_Annotated_Images/1").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "Manually_Annotated_Images/1/a.png")
    head = ["subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression"]
    with open(tmp_path / "training.csv", "w", newline="") as file:
        csv.writer(file).writerows([head, ["1/a.png", 20, 10, 48, 48, 7], ["1/a.png", 20, 10, 48, 48, 10]])
    with open(tmp_path / "validation.csv", "w", newline="") as file:
        csv.writer(file).writerows([head, ["1/a.png", 20, 10, 48, 48, "x"]])
    with pytest.raises(DataError, match=r"validation\.csv, line 2.*code 0 to 7"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, skip_bad=True)
    assert (dataset.images == 200).all()
    assert dataset.labels.tolist() == [FERPLUS.code("contempt")]


@pytest.mark.parametrize("code", ["-1", "inf", "8.5", ""])
def test_affectnet_codes_that_are_none(tmp_path: Path, code: str) -> None:
    """A code before the first is not the last, and a box must be finite; also beside bytes that are no UTF-8."""
    (tmp_path / "images").mkdir()
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,expression\n"
    (tmp_path / "training.csv").write_bytes(f"{head}\xe9.png,0,0,9,9,{code}\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"training\.csv, line 2.*code 0 to 7"):
        load_dataset(tmp_path)
    (tmp_path / "training.csv").write_bytes(f"{head}a.png,inf,0,9,9,1\n".encode())
    with pytest.raises(DataError, match=r"training\.csv, line 2.*as numbers"):
        load_dataset(tmp_path)


def test_affectnet_table_that_is_no_csv(tmp_path: Path) -> None:
    """A field larger than any cell of a CSV is refused with the file's name."""
    (tmp_path / "images").mkdir()
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,expression\n"
    (tmp_path / "training.csv").write_text(head + "x" * 200_000)
    with pytest.raises(DataError, match=r"training\.csv: not a CSV"):
        load_dataset(tmp_path)


def test_rafdb_line_that_is_none(tmp_path: Path) -> None:
    """A code outside 1 to 7 names the list and its line."""
    make_rafdb(tmp_path)
    (tmp_path / "basic/EmoLabel/list_patition_label.txt").write_text("train_00001.jpg 8\n")
    with pytest.raises(DataError, match=r"list_patition_label\.txt: line 1: expected a file name and a code 1 to 7"):
        load_dataset(tmp_path)


def test_lists_with_a_byte_order_mark(tmp_path: Path) -> None:
    """As Windows' programs write them."""
    make_rafdb(tmp_path)
    listed = tmp_path / "basic/EmoLabel/list_patition_label.txt"
    listed.write_text(listed.read_text(), encoding="utf-8-sig")
    assert len(load_dataset(tmp_path)) == 2
    votes = tmp_path / "votes.csv"
    votes.write_text(",".join(["Usage", "Image name", *COLUMNS]) + "\nTraining,a.png" + ",1" * 10 + "\n", "utf-8-sig")
    assert read_votes(votes)[0].tolist() == ["Training"]


def test_folders_of_fer2013s_splits(tmp_path: Path) -> None:
    """Their names are those of the data set, however they are spelt."""
    for split in ("training", "publictest", "PrivateTest"):
        picture(tmp_path / f"set/{split}/happy/a.png")
        picture(tmp_path / f"set/{split}/sad/b.png", 20)
    assert set(load_dataset(tmp_path / "set").splits.tolist()) == {"Training", "PublicTest", "PrivateTest"}


def test_a_folder_that_is_no_class(tmp_path: Path) -> None:
    """Pictures in a folder of another name are not silently passed over."""
    make_folders(tmp_path)
    picture(tmp_path / "set/train/bored/c.png")
    with pytest.raises(
        DataError,
        match=r"bored: holds pictures and is no class.* Rename it, or pass over it with skip_bad \(--skip-bad\)$",
    ):
        load_dataset(tmp_path / "set")
    assert [entry.where for entry in load_dataset(tmp_path / "set", skip_bad=True).left_out] == ["train/bored"]


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """They are passed over while a layout is looked for."""
    make_folders(tmp_path)
    (tmp_path / "set/broken").symlink_to("nowhere")
    assert len(load_dataset(tmp_path / "set"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/broken").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"no layout|expected"):
        load_dataset(tmp_path / "other")


def test_folders_hold_the_pictures_that_are_read(tmp_path: Path) -> None:
    """Class folders give every picture that unmask read finds in folders, and nothing hidden."""
    for number, suffix in enumerate(sorted(PICTURE_SUFFIXES - {".heif", ".heic"})):  # which Pillow does not write
        picture(tmp_path / f"set/happy/{number}.png").rename(tmp_path / f"set/happy/{number}{suffix}")
    picture(tmp_path / "set/sad/b.png")
    for hidden in ("set/sad/.trash/old.png", "set/sad/.b.png", "set/.git/happy/c.png"):
        picture(tmp_path / hidden)
    dataset = load_dataset(tmp_path / "set")
    assert dataset.names is not None
    found = sorted(str(tmp_path / "set" / name) for name in dataset.names.tolist())
    assert found == sorted(item.name for item in expand(tmp_path / "set"))
    assert {Path(name).suffix for name in found} >= {".jpe", ".jfif", ".apng", ".avif"}


def test_ferplus_alone_is_no_data_set(tmp_path: Path) -> None:
    """The votes file, given as the data, is refused with the next step."""
    (tmp_path / "fer2013new.csv").write_text("Usage,Image name,neutral,NF\nTraining,fer0000000.png,4,0\n")
    with pytest.raises(DataError, match="--ferplus"):
        load_dataset(tmp_path / "fer2013new.csv")


def test_options_are_checked() -> None:
    """A size outside its range is refused; no rows at all are no data set."""
    with pytest.raises(ConfigError, match="size 0"):
        LoadOptions(size=0)
    with pytest.raises(DataError, match="no picture"):
        from_pictures("none", Path(), [], LoadOptions())
    assert PictureRow(Path("a.png")).split == "Training"
