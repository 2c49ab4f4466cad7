"""``unmask data``: output, exit codes, files, and fetching through libraries that stand in for the real ones."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unmask.cli import main
from unmask.datasets import load_dataset
from unmask.datasets.fetch import fetch
from unmask.errors import ConfigError, DataError, InputError, MissingExtraError
from unmask.expressions import FERPLUS

PIXELS = " ".join(["7"] * 2303)


@pytest.fixture
def csv_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve rows: six different pictures in Training, of which two are also in PublicTest, and four others."""
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    values = [1, 2, 3, 4, 5, 6, 1, 2, 17, 18, 19, 20]
    rows = [f"{n % 7},{PIXELS} {value},{'Training' if n < 6 else 'PublicTest'}" for n, value in enumerate(values)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    return tmp_path / "fer2013.csv"


def test_describe(csv_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text with a bar for each class, and JSON."""
    assert main(["data", "describe", str(csv_file)]) == 0
    out = capsys.readouterr().out
    assert "Training: 6 images" in out
    assert "     1  disgust          1   16.7%  ████████████████████████" in out
    assert "[7, 7, 7, ...]" in out
    assert main(["data", "describe", str(csv_file), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"]["PublicTest"]["rows"] == 6


def test_describe_counts_one(csv_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One face is no faces."""
    csv_file.write_text("".join(csv_file.read_text().splitlines(keepends=True)[:2]))
    assert main(["data", "describe", str(csv_file)]) == 0
    out = capsys.readouterr().out
    assert "FER2013: 1 grey face of" in out
    assert "Training: 1 image\n" in out


def test_describe_where_blocks_cannot_be_printed(csv_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of another encoding gets bars that it can show."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="latin-1"))
    assert main(["data", "describe", str(csv_file)]) == 0
    sys.stdout.flush()
    assert "########################" in buffer.getvalue().decode("latin-1")


def test_audit_and_fix(csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts as a table and as JSON, a page, and a data set without what was found; the original stays."""
    before = csv_file.read_bytes()
    assert main(["data", "audit", str(csv_file), "--no-near", "--report", str(tmp_path / "a.html")]) == 0
    assert "        2  images of PublicTest that stand in Training" in capsys.readouterr().out
    assert "<h1>Audit of FER2013</h1>" in (tmp_path / "a.html").read_text()
    fixed = tmp_path / "fixed.csv"
    assert main(["data", "audit", str(csv_file), "--no-near", "--format", "json", "--fix", str(fixed)]) == 0
    assert json.loads(capsys.readouterr().out)["copies_across_splits"] == {"Training/PublicTest": 2}
    # Both copies carry another label in PublicTest, so that both pairs go.
    assert load_dataset(fixed).splits.tolist() == ["Training"] * 4 + ["PublicTest"] * 4
    assert csv_file.read_bytes() == before
    for page, place in (("set/page.html", "set"), ("set.html", "set.html")):
        command = ["data", "audit", str(csv_file), "--report", str(tmp_path / page), "--fix", str(tmp_path / place)]
        assert main(command) == 2
        assert "would lie where --fix writes the data set" in capsys.readouterr().err
    assert main(["data", "audit", str(csv_file), "--no-near", "--fix", str(csv_file)]) == 1
    assert csv_file.read_bytes() == before


def test_a_taken_place_is_refused_before_the_audit(
    csv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits for a search, or a load, whose result has no place."""
    taken = tmp_path / "taken.csv"
    taken.write_text("precious")
    monkeypatch.setattr("unmask.datasets.load_dataset", pytest.fail)
    assert main(["data", "audit", str(csv_file), "--fix", str(taken)]) == 1
    assert main(["data", "clean", str(csv_file), "--apply", str(csv_file), "--out", str(taken)]) == 1
    assert main(["data", "export", str(csv_file), "--out", str(taken)]) == 1
    assert capsys.readouterr().err.count("taken.csv: is there already") == 3
    assert taken.read_text() == "precious"


def test_data_are_never_replaced(csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No output takes the place of the data set, of a table in its folder, or of a file that says how to read it."""
    data = tmp_path / "set"
    data.mkdir()
    table = csv_file.rename(data / "train.csv")
    page = table.with_suffix(".html")
    link = table.with_suffix(".json")
    page.symlink_to(table)
    link.symlink_to(table)
    before = table.read_bytes()
    for command in (
        ["data", "split", str(table), "--out", str(link)],
        ["data", "split", str(data), "--out", str(link)],
        ["data", "audit", str(table), "--no-near", "--report", str(page)],
        ["data", "audit", str(csv_file), "--split-file", str(table), "--no-near", "--report", str(page)],
    ):
        assert main(command) == 2
        assert "which is read; name another file" in capsys.readouterr().err
        assert table.read_bytes() == before


def test_a_place_that_cannot_be_written_costs_no_work(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before the data is loaded, and what is tried leaves nothing behind."""
    data, nowhere = str(csv_file), csv_file / "page.html"  # below a file

    def work(*_: object) -> None:
        raise AssertionError("the data was loaded")

    for module in ("evaluate", "data.audit", "data.clean"):
        monkeypatch.setattr(f"unmask.cli.{module}.load", work)
    for command in (
        ["evaluate", "nano", "--data", data, "--out", str(nowhere)],
        ["data", "audit", data, "--report", str(nowhere)],
        ["data", "clean", data, "--model", "nano", "--out", str(nowhere)],
    ):
        assert main(command) == 1
        assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(AssertionError, match="loaded"):
        main(["data", "audit", data, "--report", str(tmp_path / "new" / "er" / "page.html")])
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_into_the_data(csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pages and rows in the data set's own folder would be read as parts of it."""
    data = tmp_path / "set"
    data.mkdir()
    csv_file.rename(data / "train.csv")
    for options in (
        ["clean", "--model", "small", "--out", str(data / "doubts")],
        ["clean", "--apply", "none.csv", "--out", str(data / "clean.csv")],
        ["audit", "--report", str(data / "page.html")],
        ["audit", "--fix", str(data / "fixed.csv")],
        ["describe", "--out", str(data / "pictures")],
        ["export", "--out", str(data / "more.parquet")],
    ):
        assert main(["data", options[0], str(data), *options[1:]]) == 2
        assert "lies in the data set's own folder" in capsys.readouterr().err
    assert [path.name for path in data.iterdir()] == ["train.csv"]


def test_split_and_use_it(csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A split file is written and laid over the data; without --fold a k-fold split is wrong usage."""
    out = tmp_path / "folds.json"
    assert main(["data", "split", str(csv_file), "--method", "kfold", "--folds", "2", "--out", str(out)]) == 0
    assert "fold2" in capsys.readouterr().out
    command = ["data", "describe", str(csv_file), "--format", "json", "--split-file", str(out)]
    assert main([*command, "--fold", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"]["Validation"]["rows"] == 6
    assert main(command) == 2
    assert "choose with --fold, 1 to 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "split.csv"], "expected a file that ends in .json"),
        (["--out", "s.json", "--folds", "3"], "--folds is for --method kfold, not for --method holdout; leave it out"),
        (["--out", "s.json", "--method", "kfold", "--fraction", "0.3"], "--fraction is for --method holdout"),
        (["--out", "s.json", "--method", "study", "--no-stratify"], "--no-stratify is for --method holdout and --meth"),
        (["--out", "s.json", "--within", "Trainin"], "has no split 'Trainin'; did you mean 'Training'?"),
    ],
)
def test_split_heeds_its_options(
    csv_file: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option of another method, another kind of file, or a split that is not there is wrong usage."""
    assert main(["data", "split", str(csv_file), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_split_is_not_replaced(csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same split may be drawn again; another one must not take its place."""
    out = tmp_path / "split.json"
    command = ["data", "split", str(csv_file), "--fraction", "0.5", "--no-stratify", "--out", str(out)]
    assert main(command) == 0
    before = out.read_bytes()
    assert main(command) == 0
    assert main([*command, "--seed", "1"]) == 1
    assert f"{out}: is there already and holds something else" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize("target", ["out.csv", "out"])
def test_export(csv_file: Path, tmp_path: Path, target: str) -> None:
    """What is exported loads with the same pixels."""
    assert main(["data", "export", str(csv_file), "--out", str(tmp_path / target)]) == 0
    np.testing.assert_array_equal(load_dataset(tmp_path / target).images, load_dataset(csv_file).images)


def test_left_out_rows_are_reported(csv_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--skip-bad goes on, counts and lists, and the exit code says that some rows could not be read."""
    with open(csv_file, "a") as file:
        file.write("3,1 2 3,Training\n" * 25)
    assert main(["data", "describe", str(csv_file)]) == 1
    assert f"unmask: {csv_file}: line 14: expected 2304 pixels, got 3" in capsys.readouterr().err
    assert main(["data", "describe", str(csv_file), "--skip-bad"]) == 1
    captured = capsys.readouterr()
    assert "25 rows left out" in captured.err
    assert "and 5 more" in captured.err
    assert "12 grey faces" in captured.out


def png(grey: int) -> bytes:
    """A colour picture of 60 x 60."""
    buffer = io.BytesIO()
    Image.new("RGB", (60, 60), (grey, grey, grey)).save(buffer, format="PNG")
    return buffer.getvalue()


class Rows(list[dict[str, Any]]):
    """A split as Hugging Face's library gives it."""

    features = {"image": object(), "label": SimpleNamespace(names=["anger", "contempt", "joy"])}  # noqa: RUF012

    def cast_column(self, name: str, feature: Any) -> Rows:
        assert (name, feature) == ("image", "undecoded")
        return self


def library(rows: Rows) -> Any:
    """Stands in for Hugging Face's ``datasets``."""
    return SimpleNamespace(
        load_dataset=lambda name: {"train": rows, "test": Rows(rows[:1])},
        Image=lambda decode: "undecoded",
    )


def test_fetch_from_hugging_face(tmp_path: Path) -> None:
    """Pictures become grey crops, class names codes, splits ours; the result loads."""
    pytest.importorskip("pyarrow")
    rows = Rows({"image": {"bytes": png(grey), "path": None}, "label": grey % 3} for grey in (0, 1, 2))
    folder = fetch("hf:someone/faces", tmp_path / "out", library=library(rows))
    dataset = load_dataset(folder)
    assert dataset.images[:, 0, 0].tolist() == [0, 1, 2, 0]
    assert [str(dataset.taxonomy.labels[code]) for code in dataset.labels] == ["angry", "contempt", "happy", "angry"]
    assert dataset.splits.tolist() == ["Training"] * 3 + ["Test"]


def test_fetch_labels_in_words(tmp_path: Path) -> None:
    """A column of words that names contempt makes data of FER+'s taxonomy; a row that fails is an error of ours."""
    pytest.importorskip("pyarrow")

    class Words(Rows):
        features = {"image": object(), "label": object()}  # noqa: RUF012

        def __getitem__(self, key: Any) -> Any:
            return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)

    cells = [
        {"image": {"bytes": png(grey), "path": None}, "label": word} for grey, word in enumerate(("joy", "contempt"))
    ]
    dataset = load_dataset(fetch("hf:someone/faces", tmp_path / "out", library=library(Words(cells))))
    assert [str(dataset.taxonomy.labels[code]) for code in dataset.labels] == ["happy", "contempt", "happy"]

    numbers = [{**cell, "label": number} for number, cell in enumerate(cells)]
    with pytest.raises(DataError, match=r"label '1' is a number; say which taxonomy .*--taxonomy"):
        fetch("hf:someone/faces", tmp_path / "numbers", library=library(Words(numbers[1:])))
    dataset = load_dataset(
        fetch("hf:someone/faces", tmp_path / "numbers", library=library(Words(numbers)), taxonomy=FERPLUS)
    )
    assert [str(dataset.taxonomy.labels[code]) for code in dataset.labels] == ["neutral", "happy", "angry"]

    class Broken(Words):
        def __iter__(self) -> Any:
            yield from list.__iter__(self)
            raise OSError("connection lost")

    with pytest.raises(InputError, match="could not be fetched"):
        fetch("hf:someone/faces", tmp_path / "again", library=library(Broken(cells)))


def test_fetch_from_kaggle(csv_file: Path) -> None:
    """What kagglehub brought is left where it lies."""
    hub = SimpleNamespace(dataset_download=lambda name: str(csv_file.parent))
    assert fetch("kaggle:someone/faces", library=hub) == csv_file.parent


def refused(name: str) -> Any:
    """A library's own error."""
    raise RuntimeError("403 Forbidden")


@pytest.mark.parametrize(
    ("source", "modules", "words"),
    [
        ("faces", {}, "expected hf:OWNER/NAME or kaggle:OWNER/NAME"),
        ("hf:", {}, "expected hf:OWNER/NAME"),
        ("hf:a/b", {"datasets": None}, "pip install datasets"),
        ("kaggle:a/b", {"kagglehub": None}, "pip install kagglehub"),
        ("kaggle:a/b", {"kagglehub": SimpleNamespace(dataset_download=refused)}, "403 Forbidden.*accept its terms"),
    ],
)
def test_fetch_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, modules: dict[str, Any], words: str
) -> None:
    """A wrong name, a missing library, a refusal: each is one error with the next step."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises((ConfigError, InputError, MissingExtraError), match=words):
        fetch(source, tmp_path / "out")


def test_fetch_of_other_data(tmp_path: Path) -> None:
    """Rows without a picture, and labels that are no expressions, are refused by name."""
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="train, row 0: no picture"):
        fetch("hf:a/b", tmp_path / "one", library=library(Rows([{"image": None, "label": 0}])))
    strange = Rows([{"image": {"bytes": png(1)}, "label": 0}])
    strange.features = {"image": object(), "label": SimpleNamespace(names=["cat"])}
    with pytest.raises(DataError, match="unknown label 'cat'"):
        fetch("hf:a/b", tmp_path / "two", library=library(strange))
