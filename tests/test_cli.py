"""The command line as a user meets it: output, files, exit codes, messages without tracebacks."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import unmask.__main__
from unmask.cli import build_parser, main
from unmask.cli.read import FORMATS
from unmask.cli.targets import check_targets
from unmask.cli.text import layers
from unmask.models import bundled_models
from unmask.outputs import format_names
from unmask.readings import Reading


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


@pytest.fixture
def landscape(tmp_path: Path) -> Path:
    """A picture without a face: sky, hills and a lake."""
    y, x = np.mgrid[0:300, 0:400]
    picture = np.stack([110 + y // 4, 150 + y // 5, 230 - y // 3], axis=-1)
    picture[y > 170 + 25 * np.sin(x / 50)] = (60, 110, 50)
    picture[y > 250] = (70, 100, 140)
    path = tmp_path / "landscape.png"
    Image.fromarray(picture.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, photo: Path, landscape: Path) -> Path:
    """A folder with a portrait, a landscape and a file that is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(photo, folder / "a.jpg")
    (folder / "b.jpg").write_text("no picture")
    shutil.copy(landscape, folder / "c.png")
    return folder


@pytest.mark.parametrize("name", ["kept.csv", "kept.json", "kept.jsonl"])
def test_a_run_that_reads_nothing_costs_nothing(
    capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path, name: str
) -> None:
    """What an earlier run has written stays, results, page and summary; the next run that reads replaces it."""
    outputs = {"--out": tmp_path / name, "--report": tmp_path / "page.html"}
    options = [str(word) for pair in outputs.items() for word in pair]
    assert run(capsys, "read", str(photo), *options)[0] == 0
    before = [path.read_bytes() for path in outputs.values()]
    (tmp_path / "empty").mkdir()
    for source in ("gone.jpg", str(tmp_path / "empty")):
        assert run(capsys, "read", source, *options)[0] == 1
        assert [path.read_bytes() for path in outputs.values()] == before
    shutil.copy(photo, tmp_path / "other.jpg")
    assert run(capsys, "read", str(tmp_path / "other.jpg"), *options)[0] == 0
    for path in outputs.values():
        assert "other.jpg" in path.read_text(encoding="utf-8")
        assert path.read_bytes().count(b"astronaut.jpg") == 0


def test_drawings_stay_in_their_folder(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture beside the folder that is read is not drawn beside the one to draw in."""
    for name in ("here", "beside"):
        (tmp_path / name).mkdir()
        shutil.copy(photo, tmp_path / name / f"{name}.jpg")
    monkeypatch.chdir(tmp_path / "here")
    assert main(["read", ".", "../beside/beside.jpg", "--annotate", "drawn/deep"]) == 0
    assert sorted(path.name for path in (tmp_path / "here/drawn/deep").iterdir()) == ["beside.png", "here.png"]


def test_a_folder_with_a_film(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Films are left out of folders, and that is said; a page lists what could not be read."""
    (folder / "z.mp4").write_bytes(b"")
    page = folder.parent / "page.html"
    code, _, err = run(capsys, "read", str(folder), "--format", "jsonl", "--report", str(page))
    assert code == 1
    assert f"films are left out of folders; name them to read them: {folder / 'z.mp4'}" in err
    assert "1 of 3 inputs could not be read; the rest were" in err
    assert "b.jpg" in page.read_text(encoding="utf-8")
    _, _, err = run(capsys, "read", str(folder / "b.jpg"), "gone.jpg", "--format", "jsonl")
    assert err.endswith("2 of 2 inputs could not be read\n")


def test_the_astronaut_is_happy(capsys: pytest.CaptureFixture[str], photo: Path) -> None:
    """The main job: one face, in the right place, happy, with all scores."""
    code, out, _ = run(capsys, "read", str(photo), "--format", "json")
    (reading,) = json.loads(out)
    (face,) = reading["faces"]
    assert code == 0
    assert (reading["width"], reading["height"], reading["time_s"]) == (512, 512, None)
    assert face["expression"] == "happy"
    assert face["confidence"] > 0.7
    assert len(face["scores"]) == 8
    assert sum(face["scores"].values()) == pytest.approx(1)
    x1, y1, x2, y2 = face["box"]
    assert 150 < x1 < 200 < 250 < x2 < 300  # where her face is, by eye
    assert 50 < y1 < 90 < 160 < y2 < 220


def test_the_table(capsys: pytest.CaptureFixture[str], photo: Path) -> None:
    """The default output names the expression and shows every score."""
    code, out, _ = run(capsys, "read", str(photo))
    assert code == 0
    assert "happy" in out
    assert out.count("%") >= 8


def test_a_landscape_is_a_frame_without_a_face(capsys: pytest.CaptureFixture[str], landscape: Path) -> None:
    """No face is a result, not a failure."""
    code, out, err = run(capsys, "read", str(landscape), "--format", "jsonl")
    assert (code, err) == (0, "")
    assert json.loads(out)["faces"] == []


def test_a_folder_with_a_bad_file(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    """The bad file is reported and left out, the rest is read in order, the exit code is 1."""
    out_file = tmp_path / "out.csv"
    code, out, err = run(capsys, "read", str(folder), "--out", str(out_file), "--workers", "2")
    assert (code, out) == (1, "")
    assert "b.jpg" in err
    assert "1 of 3" in err
    rows = list(csv.DictReader(io.StringIO(out_file.read_text())))
    assert [Path(row["source"]).name for row in rows] == ["a.jpg", "c.png"]
    assert [row["expression"] for row in rows] == ["happy", ""]


def test_inputs_that_are_named_twice_count_twice(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    """Also one right after the other."""
    bad, good = str(folder / "b.jpg"), str(folder / "c.png")
    out = str(tmp_path / "out.csv")
    assert "2 of 5 inputs could not be read" in run(capsys, "read", bad, bad, good, good, good, "--out", out)[2]


def test_workers_change_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Any number of workers gives the same bytes."""
    outputs = {run(capsys, "read", str(folder), "--format", "jsonl", "--workers", n)[1] for n in ("1", "3")}
    assert len(outputs) == 1


def test_resume_reads_nothing_twice(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted run that is resumed opens only what is missing, and ends with the file of an unbroken run."""
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    (folder / "b.jpg").unlink()
    assert run(capsys, "read", str(folder), "--out", str(whole))[0] == 0
    lines = whole.read_text().splitlines(keepends=True)
    broken.write_text(lines[0] + lines[1][:40])  # torn in its second line

    from unmask.media import open_frame as original

    opened: list[str] = []

    def watch(one: object) -> object:
        opened.append(Path(one.name).name)  # type: ignore[attr-defined]
        return original(one)  # type: ignore[arg-type]

    monkeypatch.setattr("unmask.reader.open_frame", watch)
    assert run(capsys, "read", str(folder), "--out", str(broken), "--resume")[0] == 0
    assert opened == ["c.png"]
    assert broken.read_text() == whole.read_text()


def test_a_resumed_report_shows_everything(
    capsys: pytest.CaptureFixture[str], folder: Path, photo: Path, tmp_path: Path
) -> None:
    """The page of a resumed run is that of an unbroken one, also for what is not named again; nothing is drawn over."""
    (folder / "b.jpg").unlink()
    out, page, drawn = tmp_path / "out.jsonl", tmp_path / "page.html", tmp_path / "drawn"
    first = tmp_path / "first.jpg"
    shutil.copy(photo, first)
    options = ("--out", str(out), "--report", str(page), "--annotate", str(drawn))
    assert run(capsys, "read", str(first), str(folder), *options)[0] == 0
    whole, lines = page.read_text(), out.read_text().splitlines(keepends=True)
    assert whole.count("<article") == 3
    for path in drawn.iterdir():
        path.write_bytes(b"drawn before")
    for known, sources in ((2, (str(first), str(folder))), (3, (str(first), str(folder))), (2, (str(folder),))):
        out.write_text("".join(lines[:known]))
        assert run(capsys, "read", *sources, *options, "--resume")[0] == 0
        assert page.read_text() == whole
        assert out.read_text() == "".join(lines)
    kept = {path.name: path.read_bytes() == b"drawn before" for path in drawn.iterdir()}
    assert kept == {"first.png": True, "a.png": True, "c.png": False}


@pytest.mark.parametrize("gone", [True, False])
def test_a_resumed_report_names_what_it_cannot_show(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, gone: bool
) -> None:
    """A picture that was read before and is gone, or has another size by now, is missing with its reason."""
    (folder / "b.jpg").unlink()
    out, page = tmp_path / "out.jsonl", tmp_path / "page.html"
    assert run(capsys, "read", str(folder), "--out", str(out))[0] == 0
    lines = out.read_text()
    (folder / "a.jpg").unlink()
    if not gone:
        Image.new("RGB", (20, 20)).save(folder / "a.jpg")
    code, _, err = run(capsys, "read", str(folder), "--out", str(out), "--report", str(page), "--resume")
    assert code == 1
    assert "a.jpg: was read by an earlier run and cannot be shown again; its rows stay: " in err
    assert ("no such file" if gone else "it has changed since") in err
    assert page.read_text().count("<article") == 1
    assert "a.jpg: was read by an earlier run" in page.read_text()
    assert out.read_text() == lines


def test_resume_keeps_to_one_model_and_its_labels(
    capsys: pytest.CaptureFixture[str], photo: Path, landscape: Path, tmp_path: Path
) -> None:
    """A file never holds scores of two label sets, or of two models; it is refused as it is."""
    out = tmp_path / "out.jsonl"
    assert run(capsys, "read", str(photo), "--out", str(out))[0] == 0
    text = out.read_text()
    more = ("read", str(landscape), "--out", str(out), "--resume")
    code, _, err = run(capsys, *more, "--head", "fer2013")
    assert code == 2
    assert "contempt" in err.split("this run")[0]
    assert "contempt" not in err.split("this run")[1]
    assert out.read_text() == text
    out.write_text(text.replace('"model": "small@', '"model": "large@'))
    code, _, err = run(capsys, *more)
    assert code == 2
    assert "large@" in err
    assert "small@" in err
    out.write_text(text)
    assert run(capsys, *more)[0] == 0
    assert out.read_text().startswith(text)


def test_annotated_pictures(capsys: pytest.CaptureFixture[str], photo: Path, folder: Path, tmp_path: Path) -> None:
    """One picture into a file, many into a folder; the drawing has the picture's size and differs at the box."""
    target = tmp_path / "drawn.png"
    assert run(capsys, "read", str(photo), "--annotate", str(target))[0] == 0
    with Image.open(target) as drawn, Image.open(photo) as original:
        assert drawn.size == original.size
        difference = np.asarray(drawn).astype(int) - np.asarray(original)
    assert 0.002 < (np.abs(difference).max(axis=2) > 60).mean() < 0.2
    assert run(capsys, "read", str(folder), "--annotate", str(tmp_path / "many"))[0] == 1
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["a.png", "c.png"]
    (folder / "sub").mkdir()
    shutil.copy(photo, folder / "sub" / "a.jpg")
    run(capsys, "read", str(folder), str(photo), "--annotate", str(tmp_path / "deep"))
    names = sorted(str(path.relative_to(tmp_path / "deep")) for path in (tmp_path / "deep").rglob("*.png"))
    assert names == ["a.png", "astronaut.png", "c.png", str(Path("sub", "a.png"))]
    code, _, err = run(capsys, "read", str(folder), "--annotate", str(target))
    assert code == 2
    assert "name a folder" in err


@pytest.mark.parametrize("name", ["drawn.png", "drawn.jpg"])
def test_annotated_pictures_keep_their_colours(
    capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path, name: str
) -> None:
    """What says which colours the pixels mean goes with them."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(photo) as original:
        original.save(tmp_path / "photo.jpg", icc_profile=profile)
    assert run(capsys, "read", str(tmp_path / "photo.jpg"), "--annotate", str(tmp_path / name))[0] == 0
    with Image.open(tmp_path / name) as drawn:
        assert drawn.info["icc_profile"] == profile


@pytest.mark.parametrize("inside", ["", "sub"])
def test_no_folder_that_is_read_is_drawn_into(
    capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path, inside: str
) -> None:
    """A picture that another one's drawing would replace is kept: the folder is refused, however it is named."""
    (tmp_path / "sub").mkdir()
    shutil.copy(photo, tmp_path / "a.jpg")
    kept = tmp_path / "sub" / "a.png"
    shutil.copy(photo, kept)
    for sources in ([tmp_path], [kept, tmp_path / "a.jpg"], [f"{tmp_path}/**/a.*"]):
        code, _, err = run(capsys, "read", *map(str, sources), "--annotate", str(tmp_path / inside))
        assert code == 2
        assert "name another" in err
    assert kept.read_bytes() == photo.read_bytes()


def test_report(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """The page holds its picture and reaches for nothing elsewhere."""
    page = tmp_path / "page.html"
    assert run(capsys, "read", str(photo), "--report", str(page))[0] == 0
    text = page.read_text()
    assert "data:image/jpeg;base64," in text
    assert "happy" in text
    assert 'src="http' not in text


def test_list_from_standard_input(
    capsys: pytest.CaptureFixture[str], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths, one a line, and a picture itself."""
    for content in (f"{photo}\n".encode(), photo.read_bytes()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        code, out, _ = run(capsys, "read", "-", "--format", "jsonl")
        assert code == 0
        assert Reading.from_line(out).faces[0].expression == "happy"


@pytest.mark.parametrize(("target", "words"), [("photo.jpg", "name another file"), (".", "would draw beside")])
def test_a_picture_of_a_list_is_not_drawn_over(
    capsys: pytest.CaptureFixture[str],
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    words: str,
) -> None:
    """What comes from standard input is known only when it is there, and is kept all the same."""
    path = tmp_path / "photo.jpg"
    shutil.copy(photo, path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{path}\n".encode())))
    code, _, err = run(capsys, "read", "-", "--annotate", str(tmp_path / target))
    assert code == 2
    assert words in err
    assert path.read_bytes() == photo.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_film_options_for_pictures_from_standard_input(
    capsys: pytest.CaptureFixture[str], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a list names a film shows when it is read: then a line says that the option changed nothing."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{photo}\n".encode())))
    code, out, err = run(capsys, "read", "-", "--format", "jsonl", "--end", "3")
    assert (code, out.count("\n")) == (0, 1)
    assert "--end changed nothing" in err


def test_other_head(capsys: pytest.CaptureFixture[str], photo: Path) -> None:
    """The second output has FER2013's seven labels in the order of its codes."""
    _, out, _ = run(capsys, "read", str(photo), "--format", "jsonl", "--head", "fer2013")
    (face,) = json.loads(out)["faces"]
    assert list(face["scores"]) == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert face["expression"] == "happy"


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--min-size", "5000"), "too small"),
        (("--min-sharpness", "1e6"), "blurred"),
        (("--max-yaw", "0"), "turned away"),
        (("--min-confidence", "1"), "low confidence"),
        (("--min-confidence", "0", "--min-margin", "1"), "ambiguous"),
    ],
)
def test_each_reason_for_abstaining(
    capsys: pytest.CaptureFixture[str], photo: Path, option: tuple[str, ...], reason: str
) -> None:
    """Each threshold can be set, and gives its own reason; scores are there all the same."""
    _, out, _ = run(capsys, "read", str(photo), "--format", "jsonl", *option)
    (face,) = json.loads(out)["faces"]
    assert face["expression"] is None
    assert face["abstained"] == reason
    assert max(face["scores"], key=face["scores"].get) == "happy"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("read", "missing.jpg"), 1, "missing.jpg"),
        (("read", "x.jpg", "--model", "smal"), 2, "did you mean 'small'"),
        (("read", "x.jpg", "--head", "fer2012"), 2, "did you mean 'fer2013'"),
        (("read", "x.jpg", "--detector", "yunett"), 2, "did you mean 'yunet'"),
        (("read", "x.jpg", "--format", "parquet"), 2, "--out"),
        (("read", "x.jpg", "--resume"), 2, "--out FILE.jsonl"),
        (("read", "x.jpg", "--workers", "0"), 2, "at least 1"),
        (("read", "x.jpg", "--min-size", "-3"), 2, "--min-size: expected"),
        (("read", "x.jpg", "--min-confidence", "3"), 2, "--min-confidence: expected a number from 0 to 1, got 3.0"),
        (("read", "x.jpg", "--max-yaw", "200"), 2, "--max-yaw: expected a number from 0 to 180"),
        (("read", "x.jpg", "--no-abstain", "--min-size", "3"), 2, "--min-size"),
        (("read", "x.jpg", "--out", "results.xyz"), 2, "--format"),
        (("read", "x.jpg", "--out", "a.json", "--format", "csv"), 2, "--out a.json has the ending of the format json"),
        (("data", "export", "x.csv", "--to", "csv", "--out", "y.parquet"), 2, "has the ending of the form parquet"),
        (("explain", "small", "x.jpg", "--layers", "--out", "x"), 2, "leave out it, or --out"),
        (("read", "x.jpg", "--annotate", "drawn.webp"), 2, "JPEG or PNG"),
        (("read", "x.jpg", "--report", "page.txt"), 2, "a report is an HTML page; known: .htm, .html"),
        (("read", "x.jpg", "--start", "3"), 2, "--start is for films"),
        (("read", "x.jpg", "y.png", "--every", "1"), 2, "--every is for films"),
        (("read", "x.jpg", "--summary", "x.json"), 2, "--summary is for films"),
        (("read", "x.jpg", "--timeline", "x.png"), 2, "--timeline is for films"),
        (("read", "x.jpg", "--fps", "fast"), 2, "--fps fast: expected a rate such as 25"),
        (("read", "x.jpg", "--blur-faces"), 2, "say where to draw"),
        (("read", "x.mp4", "--start", "1:75"), 2, "--start 1:75: expected seconds"),
        (("evaluate", "small", "--data", "missing.csv"), 1, "missing.csv"),
        (("evaluate", "small", "--data", "x.csv", "--threads", "-3"), 2, "--threads: expected a whole number from 1"),
        (("evaluate", "small", "--data", "x.csv", "--seed", "-1"), 2, "--seed: expected a whole number of at least 0"),
        (("data", "split", "x.csv", "--out", "s.json", "--seed", "-1"), 2, "--seed: expected a whole number"),
        (("data", "describe", "x.csv", "--fold", "0"), 2, "--fold: expected a whole number of at least 1"),
        (("data", "describe", "x.csv", "--size", "5000"), 2, "expected 1 to 4096 pixels"),
        (("data", "describe", "x.csv", "--layout", "fer2012"), 2, "did you mean 'fer2013'"),
        (("evaluate", "small", "--data", "x.csv", "--taxonomy", "ferplu"), 2, "did you mean 'ferplus'"),
        (("data", "audit", "x.csv", "--report", "page.txt"), 2, "--report: expected a file that ends in .html or .htm"),
        (("train", "--config", "x", "--data", "x", "--out", "x", "--gallery", "v.xyz"), 2, "that ends in .png, got"),
        (("data", "fetch", "kaggle:a/b", "--out", "x"), 2, "--out is for hf:, not for kaggle:; leave it out"),
        (("data", "fetch", "nix"), 2, "expected hf:OWNER/NAME or kaggle:OWNER/NAME"),
        (("data", "fetch", "hf:a/b", "--out", "x", "--size", "5000"), 2, "expected 1 to 4096 pixels"),
        (("data", "describe", "x.csv", "--size", "0"), 2, "--size: expected a whole number of at least 1"),
        (("study", "--config", "x", "--data", "x", "--out", "x", "--jobs", "two"), 2, "at least 1, got 'two'"),
        (("explain", "small", "x.jpg", "--out", "x", "--face", "-1"), 2, "--face: expected a whole number"),
        (("benchmark", "x.jpg", "--runs", "0"), 2, "--runs: expected a whole number of at least 1"),
        (("models", "show", "smal"), 2, "did you mean 'small'"),
        (("models", "export", "smal", "x.unmask"), 2, "did you mean 'small'"),
        (("models", "export", "small", "/dev/null/x/m.unmask"), 1, "cannot be written"),
        (("models", "show", "x" * 300), 1, "name too long"),
        (("models", "export", "small", f"{'x' * 300}.unmask"), 1, "name too long; check the path"),
        (("read", "x.jpg", "--annotate", f"{'x' * 300}.png"), 1, "cannot be written: File name too long"),
        (("data", "describe", "x" * 300), 1, "name too long"),
        (("models", "fetch", "yunett"), 2, "did you mean 'yunet'"),
        ((), 2, "usage"),
        (("read",), 2, "SOURCE"),
        (("raed",), 2, "did you mean 'read'?"),
        (("data", "audti", "x.csv"), 2, "did you mean 'audit'?"),
        (("read", "x.jpg", "--format", "jsnol"), 2, "did you mean 'jsonl'?"),
        (("read", "x.jpg", "--unknown"), 2, "usage: unmask read "),
        (("data", "audit", "x.csv", "--unknown"), 2, "usage: unmask data audit "),
        (("read", "x.jpg", "--out", "."), 2, "is a folder; name a file in it, which ends in one of .csv"),
        (("read", "x.jpg", "--out", "-"), 2, "results go to standard output where no file is named"),
        (("studio", "--workers", "0"), 2, "--workers: expected a whole number of at least 1"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str) -> None:
    """Each mistake has its exit code and a message that names the next step."""
    actual, out, err = run(capsys, *arguments)
    assert (actual, out) == (code, "")
    assert words in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "evil\x1b[2J.jpg"),
        ("read", "evil\x1b[2J.jpg", "none.jpg"),  # told one by one, as what is read goes on
        ("read", "x.jpg", "--out", "evil\x1b[2J.xyz"),
        ("read", "--evil\x1b[2J.jpg"),  # what a glob gives may look like an option
        ("data", "describe", "evil\x1b[2J.csv"),
    ],
)
def test_names_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """Names of files come from strangers: what a terminal would obey is shown in letters, line by line."""
    code, _, err = run(capsys, *arguments)
    assert code != 0
    assert "evil\\x1b[2J" in err
    assert all(line.isprintable() for line in err.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.jpg", "--out", "./a.jpg", "--format", "csv"), ("--out a.jpg", "name another file")),
        ((".", "--out", "a.jpg", "--format", "csv"), ("--out a.jpg", "name another file")),  # found in a folder
        (("*.jpg", "--out", "link.json"), ("--out link.json", "a.jpg")),  # found by a pattern, written through a link
        (("a.jpg", "--out", "keep.csv", "--annotate", "a.jpg"), ("--annotate a.jpg", "name another file")),
        (("a.jpg", "--out", "new.json", "--summary", "./new.json"), ("--out and --summary", "name another file")),
        (("a.jpg", "--out", "keep.csv", "--report", "keep.csv"), ("--out and --report", "name another file")),
        (
            ("r.film7.mp4", "--report", "r.html"),
            ("(film 7) r.film7.mp4 would replace r.film7.mp4", "name another file"),
        ),
        (("a.jpg", "--report", "r.html", "--annotate", "r.film1.mp4"), ("--report (film 1) and --annotate",)),
    ],
)
def test_no_output_replaces_an_input_or_another_output(
    capsys: pytest.CaptureFixture[str],
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    """It is refused before any file is opened, so that inputs and earlier results stay as they are."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(photo, "a.jpg")
    Path("link.json").symlink_to("a.jpg")
    Path("keep.csv").write_text("earlier\n")
    Path("r.film7.mp4").write_bytes(b"a film")
    code, out, err = run(capsys, "read", *arguments)
    assert (code, out) == (2, "")
    assert all(word in err for word in words)
    assert Path("a.jpg").read_bytes() == photo.read_bytes()
    assert Path("keep.csv").read_text() == "earlier\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "keep.csv", "link.json", "r.film7.mp4"]


def test_a_device_and_a_file_beside_the_inputs_may_be_written(
    capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path
) -> None:
    """Nothing is lost in a device, nor in an earlier result that lies in the folder of the pictures."""
    shutil.copy(photo, tmp_path / "a.jpg")
    rows = tmp_path / "rows.csv"
    for _ in range(2):
        assert run(capsys, "read", str(tmp_path), "--out", str(rows))[0] == 0
    assert "happy" in rows.read_text()
    check_targets({"--out": Path(os.devnull), "--log": Path(os.devnull)}, [os.devnull])


def test_formats_of_the_command_line() -> None:
    """The command line offers every registered format (its own list keeps --help light)."""
    assert sorted(FORMATS) == format_names()


def test_models(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """The list has what tools rely on; a packed model reads as the one in the package."""
    _, out, _ = run(capsys, "models", "list", "--format", "json")
    entries = json.loads(out)
    assert [entry["name"] for entry in entries] == sorted(bundled_models())
    keys = {"name", "version", "parameters", "macs", "bytes", "taxonomy", "input", "bundled", "licence", "accuracy"}
    assert all(keys <= set(entry) for entry in entries)
    assert run(capsys, "models", "show")[1].startswith("# small@")
    archive = tmp_path / "packed.unmask"
    assert run(capsys, "models", "export", "small", str(archive))[0] == 0
    direct = run(capsys, "read", str(photo), "--format", "jsonl")[1]
    assert run(capsys, "read", str(photo), "--format", "jsonl", "--model", str(archive))[1] == direct


def test_a_name_that_is_too_long_fails_alone(capsys: pytest.CaptureFixture[str], photo: Path) -> None:
    """What cannot even be looked for is reported, and the rest is read."""
    code, out, err = run(capsys, "read", f"{'x' * 300}.jpg", str(photo), "--format", "jsonl")
    assert code == 1
    assert json.loads(out)["source"] == str(photo)
    assert "name too long" in err
    assert "1 of 2 inputs" in err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "kept/x"), "kept/x: Permission denied; check the path"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some space or choose"),
    ],
)
def test_errors_of_the_system_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    """What nothing below has restated ends the command in words, without a traceback."""

    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("unmask.cli.models._list", fail)
    code, out, err = run(capsys, "models", "list")
    assert (code, out) == (1, "")
    assert err.startswith(f"unmask: {words}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", ["models list", "--version", "--help", "read --help", "data --help", "read {photo}"]
)
@pytest.mark.parametrize(
    ("shell", "reason"), [("> /dev/full", "No space left on device; free"), (">&-", "Bad file descriptor; choose")]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_that_takes_nothing(
    photo: Path, arguments: str, shell: str, reason: str, unbuffered: str
) -> None:
    """Full or closed, it is told in one line whatever is written to it; what writes nothing there does not mind."""
    command = shlex.join([sys.executable, "-m", "unmask", *arguments.format(photo=photo).split()])
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    result = subprocess.run(f"{command} {shell}", shell=True, stderr=subprocess.PIPE, text=True, env=environment)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"unmask: <stdout>: cannot be written: {reason}")


@pytest.mark.parametrize("shell", ["> /dev/full", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_results_in_a_file_need_no_standard_streams(photo: Path, tmp_path: Path, shell: str) -> None:
    """They are written though the standard streams are full or closed, and no message gets into them."""
    command = shlex.join(
        [sys.executable, "-m", "unmask", "read", str(photo), "gone.jpg", "--out", f"{tmp_path}/a.jsonl"]
    )
    assert subprocess.run(f"{command} {shell}", shell=True, stderr=subprocess.DEVNULL).returncode == 1
    assert Reading.from_line((tmp_path / "a.jsonl").read_text()).faces[0].expression == "happy"


def test_an_interrupt_before_the_command_begins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the command line itself loads, Ctrl-C ends in one line too, and so while a verb's parser is made."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unmask.cli.build_parser", interrupted)
    assert run(capsys, "read", "x.jpg")[0] == 130
    monkeypatch.setattr("unmask.cli.run_process", interrupted)
    with pytest.raises(SystemExit) as stop:
        unmask.__main__.run()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "unmask: interrupted\n"


def test_every_verb_has_help() -> None:
    """The help of every verb and action can be printed and says what each option is for."""

    def check(parser: object) -> None:
        for action in parser._actions:  # type: ignore[attr-defined]
            choices = getattr(action, "choices", None)
            if isinstance(choices, dict):
                for child in choices.values():
                    child.format_help()
                    check(child)

    check(build_parser())


def test_long_lists_of_layers_are_counted() -> None:
    """Few layers of a part are named, many are counted by kind; numbers name no kind."""
    new = [f"blocks.{place}.norm" for place in range(27)] + ["heads.fer2013", "heads.ferplus", "heads.fer2013"]
    assert layers(new) == "blocks (27 norms), heads.fer2013, heads.ferplus"
    assert layers(["a.0", "a.1", "a.2", "a.3.conv"]) == "a (3 layers, 1 conv)"
    assert layers([]) == ""


def test_a_list_is_told_how_it_is_read(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """A file of paths is no picture, and the message says where it goes."""
    (tmp_path / "list.txt").write_text(f"{photo}\nb.jpg\n")
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html>\n")
    for name, listed in (("list.txt", True), ("page.jpg", False)):
        code, out, err = run(capsys, "read", str(tmp_path / name))
        assert (code, out) == (1, "")
        assert ("unmask read - < LIST" in err) is listed


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="the system does not show standard input")
def test_a_list_on_standard_input_is_not_replaced(photo: Path, tmp_path: Path) -> None:
    """As little as a file that is named."""
    listed = tmp_path / "list.csv"
    listed.write_text(f"{photo}\n")
    with listed.open() as file:
        command = [sys.executable, "-m", "unmask", "read", "-", "--out", str(listed)]
        ended = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "would replace /dev/stdin, which is read" in ended.stderr
    assert listed.read_text() == f"{photo}\n"
