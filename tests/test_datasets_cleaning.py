"""Doubted labels by hand, lists and decisions, the page, and ``unmask data clean``."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from data_sets import make_bars, write_csv
from hypothesis import given
from hypothesis import strategies as st

from unmask.cli import main
from unmask.datasets import FaceDataset, load_dataset
from unmask.datasets.cleaning import (
    DROP,
    KEEP,
    Suspect,
    carry_over,
    check_list,
    decide,
    decided_before,
    doubts,
    read_suspects,
    suspects,
    write_suspects,
)
from unmask.datasets.cleaning_page import cleaning_page
from unmask.errors import DataError, InputError
from unmask.expressions import FER2013

CHROMIUM = Path(os.environ.get("UNMASK_TEST_CHROMIUM", "/usr/bin/chromium"))


def test_doubts_by_hand() -> None:
    """A row is doubted where another class is above what rows of that class usually get, by how much it is ahead."""
    probs = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]])
    labels = np.array([0, 0, 1, 1])
    # Class 0 is usually given .6 (of .9 and .3), class 1 .7 (of .8 and .6): only the second row is doubted.
    doubt, others = doubts(probs, labels)
    assert doubt == pytest.approx([0, 0.4, 0, 0])
    assert others[1] == 1
    # Below what the class usually gets, being likelier is not enough.
    assert doubts(np.array([[0.45, 0.55], [0.2, 0.8]]), np.array([0, 1]))[0] == pytest.approx([0, 0])


def four_rows() -> FaceDataset:
    """Four different pictures: happy, sad, happy, and one without a label."""
    images = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    labels = np.array([FER2013.code("happy"), FER2013.code("sad"), FER2013.code("happy"), -1])
    return FaceDataset("four", images, labels, FER2013, np.array(["Training"] * 4), "c" * 64)


def three_suspects() -> list[Suspect]:
    """What a model finds that is sure of the opposite of all three labels, of the second one most."""
    happy, sad = FER2013.code("happy"), FER2013.code("sad")
    probs = np.full((3, 7), 0.02)
    probs[[0, 2], sad], probs[[0, 2], happy] = 0.8, [0.1, 0.05]
    probs[1, happy], probs[1, sad] = 0.9, 0.0
    return suspects(four_rows(), np.array([0, 1, 2]), probs)


def test_suspects_are_ranked_and_named() -> None:
    """The most doubted first, each with its row, its own label and the other one."""
    found = three_suspects()
    assert [(one.row, one.label, one.suggested) for one in found] == [
        (1, "sad", "happy"),
        (2, "happy", "sad"),
        (0, "happy", "sad"),
    ]
    assert [one.doubt for one in found] == [0.9, 0.75, 0.7]


def with_decisions(*decisions: str) -> list[Suspect]:
    """The three suspects with decisions."""
    return [
        Suspect(one.row, one.picture, one.label, one.suggested, one.doubt, decision)
        for one, decision in zip(three_suspects(), decisions, strict=True)
    ]


def test_decisions_are_carried_out() -> None:
    """One row goes, one gets a new label, one stays; the data set given is as before."""
    dataset = four_rows()
    before = dataset.labels.copy()
    decided = decide(dataset, with_decisions(DROP, "neutral", ""))
    assert (decided.dropped, decided.relabelled, decided.kept, decided.undecided) == (1, 1, 0, 1)
    assert decided.dataset.labels.tolist() == [FER2013.code("happy"), FER2013.code("neutral"), -1]
    assert decided.dataset.images[:, 0, 0].tolist() == [0, 18, 27]
    assert (dataset.labels == before).all()
    kept = decide(dataset, with_decisions(KEEP, KEEP, "happy"))
    assert (kept.dropped, kept.relabelled, kept.kept, kept.undecided) == (0, 0, 3, 0)
    assert (kept.dataset.labels == before).all()


def test_decisions_that_cannot_be_carried_out() -> None:
    """Another data set, a row named twice and an unknown word are refused, and the message says what would do."""
    dataset = four_rows()
    with pytest.raises(DataError, match="row 1 of four is not the picture that the list means; give the data"):
        decide(dataset.select(np.array([1, 0, 2])), with_decisions("", "", ""))
    with pytest.raises(DataError, match="row 2 of four is not the picture"):
        decide(dataset.select(np.array([0, 1])), with_decisions("", "", ""))
    with pytest.raises(DataError, match="row 1 stands in the list twice"):
        decide(dataset, [*with_decisions("", "", ""), with_decisions("", "", "")[0]])
    with pytest.raises(DataError, match="row 1: decision 'perhaps'; expected one of keep, drop, angry"):
        decide(dataset, with_decisions("perhaps", "", ""))


def test_decisions_are_carried_over(tmp_path: Path) -> None:
    """A new list takes the decisions of the one that is there; a row that is doubted no more keeps its own."""
    path = tmp_path / "suspects.csv"
    assert decided_before(four_rows(), path) == []
    write_suspects(with_decisions(DROP, "", "neutral"), path)
    decided = decided_before(four_rows(), path)
    assert [(one.row, one.decision) for one in decided] == [(1, DROP), (0, "neutral")]
    found = three_suspects()[:2]  # row 0 is doubted no more
    listed = carry_over(found, decided)
    assert [(one.row, one.decision) for one in listed] == [(1, DROP), (2, ""), (0, "neutral")]
    assert carry_over(found, []) == found
    with pytest.raises(
        DataError, match=r"suspects\.csv holds decisions, and row 1 .*; or name another folder with --out"
    ):
        decided_before(four_rows().select(np.array([1, 0, 2])), path)
    write_suspects(with_decisions("", "", ""), path)
    assert decided_before(four_rows().select(np.array([1, 0, 2])), path) == []


def test_spreadsheets_change_no_list(tmp_path: Path) -> None:
    """No picture's name looks like a number, and a list with semicolons and decimal commas is the same list."""
    assert all(re.fullmatch("[a-p]{12}", one.picture) for one in three_suspects())
    path = tmp_path / "suspects.csv"
    write_suspects(with_decisions(DROP, "", KEEP), path)
    path.write_text(path.read_text().replace(",", ";").replace(".", ","), encoding="utf-8-sig")
    assert read_suspects(path) == with_decisions(DROP, "", KEEP)
    check_list(four_rows(), read_suspects(path))


@given(st.lists(st.sampled_from(["", KEEP, DROP, *map(str, FER2013.labels)]), min_size=3, max_size=3))
def test_lists_are_read_as_written(tmp_path_factory: pytest.TempPathFactory, decisions: list[str]) -> None:
    """Whatever was decided: the list comes back the same."""
    path = tmp_path_factory.mktemp("list") / "suspects.csv"
    write_suspects(with_decisions(*decisions), path)
    assert read_suspects(path) == with_decisions(*decisions)


def test_lists_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, another table and a damaged line are named."""
    with pytest.raises(InputError, match=r"none\.csv: cannot be read .*; name the suspects\.csv"):
        read_suspects(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected the columns row, picture, label"):
        read_suspects(tmp_path / "other.csv")
    (tmp_path / "bad.csv").write_text("row,picture,label,suggested,doubt,decision\nx,,,,,\n")
    with pytest.raises(DataError, match="line 2: expected a number as row"):
        read_suspects(tmp_path / "bad.csv")


def test_page_shows_the_most_doubted_and_holds_all() -> None:
    """A card for each shown suspect, with what is decided chosen; the list behind the page holds the others too."""
    page = cleaning_page(four_rows(), with_decisions(DROP, "", KEEP), most=2)
    assert "3 labels of four are doubted; the 2 most doubted are shown." in page
    assert page.count("<figure ") == 2
    assert '<option value="drop" selected>drop</option>' in page
    listed = re.search(r"const list = (.*);\n", page)
    assert listed is not None
    assert [row[-1] for row in json.loads(listed[1])["rows"]] == [DROP, "", KEEP]
    assert "No label is doubted." in cleaning_page(four_rows(), [], most=2)


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; name a Chromium in UNMASK_TEST_CHROMIUM")
@pytest.mark.parametrize(("most", "words"), [(2, "1 of 2 decided on this page, 2 of 3 in all"), (3, "2 of 3 decided")])
def test_page_counts_what_it_shows(tmp_path: Path, most: int, words: str) -> None:
    """The decisions on the page are counted, and beside them those of the whole list where it is longer."""
    page = tmp_path / "page.html"
    page.write_text(cleaning_page(four_rows(), with_decisions(DROP, "", KEEP), most=most))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={tmp_path / 'user'}", "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert f'<output id="count">{words}</output>' in shown


def test_clean_with_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """List and page, then the decisions carried out; the original stays, and nothing is overwritten."""
    data = write_csv(make_bars(), tmp_path / "data.csv")
    before, out = data.read_bytes(), tmp_path / "clean"
    assert main(["data", "clean", str(data), "--model", "small", "--no-cache", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "labels are doubted" in shown.out
    assert "has learned" not in shown.err
    found = read_suspects(out / "suspects.csv")
    assert found
    assert (out / "suspects.html").read_text().startswith("<!DOCTYPE html>")
    first = found[0]
    write_suspects([dataclasses.replace(first, decision=KEEP), *found[1:]], out / "suspects.csv")
    assert main(["data", "clean", str(data), "--model", "small", "--no-cache", "--out", str(out)]) == 0
    assert "        1  decisions carried over" in capsys.readouterr().out
    assert read_suspects(out / "suspects.csv")[0].decision == KEEP
    assert '<option value="keep" selected>' in (out / "suspects.html").read_text()
    last = dataclasses.replace(found[-1], decision=KEEP)
    decided = [dataclasses.replace(first, decision=DROP), *found[1:-1], last]
    write_suspects(decided, out / "decided.csv")
    new = tmp_path / "new.csv"
    command = ["data", "clean", str(data), "--no-cache", "--apply", str(out / "decided.csv"), "--out", str(new)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "        1  dropped" in printed
    assert "        1  kept" in printed
    assert f"{len(found) - 2:9,}  undecided" in printed
    assert len(load_dataset(new, cache=False)) == len(load_dataset(data, cache=False)) - 1
    assert data.read_bytes() == before
    assert main(command) == 1
    assert "is there already" in capsys.readouterr().err
    lists = ["--no-cache", "--list", str(out / "decided.csv"), "--out", str(out)]
    assert main(["data", "clean", str(new), *lists]) == 1
    assert "is not the picture that the list means" in capsys.readouterr().err
    assert main(["data", "clean", str(data), *lists]) == 0
    assert '<option value="drop" selected>' in (out / "suspects.html").read_text()


def test_clean_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong numbers, a split that is not there, one without labels."""
    data = str(write_csv(make_bars(), tmp_path / "data.csv"))
    out = ["--no-cache", "--out", str(tmp_path / "out")]
    assert main(["data", "clean", data, "--model", "small", "--most", "0", *out]) == 2
    assert main(["data", "clean", data, "--model", "small", "--split", "Trainin", *out]) == 2
    assert main(["data", "clean", "none.csv", "--model", "smal", *out]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'Training'" in error
    assert "did you mean 'small'" in error
    assert main(["data", "clean", data, "--apply", data, "--split", "Training", *out]) == 2
    assert main(["data", "clean", data, "--apply", data, "--most", "3", *out]) == 2
    assert main(["data", "clean", data, "--model", "small", "--folds", "3", *out]) == 2
    error = capsys.readouterr().err
    assert "--split is for --config and --model, not for --apply; leave it out" in error
    assert "--most is for --config and --model and --list, not for --apply" in error
    assert "--folds is for --config, not for --model" in error
    list_there = tmp_path / "out" / "suspects.csv"
    list_there.parent.mkdir()
    list_there.write_text("a,b\n1,2\n")
    assert main(["data", "clean", data, "--model", "small", *out]) == 1
    assert list_there.read_text() == "a,b\n1,2\n"
    assert main(["data", "clean", str(list_there), "--model", "small", *out]) == 2
    assert "which is read; name another file" in capsys.readouterr().err


def test_clean_by_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Networks of the other folds judge every row; a second call trains nothing again."""
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from tiny_run import TINY

    from unmask.training.config import save_config

    data = write_csv(make_bars(), tmp_path / "data.csv")
    save_config(tmp_path / "tiny.json", TINY)
    command = ["data", "clean", str(data), "--no-cache", "--config", str(tmp_path / "tiny.json"), "--folds", "2"]
    command += ["--set", "epochs=1", "--set", 'heads={"fer2013"=1.0}', "--out", str(tmp_path / "out")]
    assert main(command) == 0
    printed = capsys.readouterr().err
    assert "fold-0, 1 epoch\n" in printed
    models = [tmp_path / "out" / f"fold-{fold}" / "model" / "model.onnx" for fold in (0, 1)]
    made = [model.stat().st_mtime_ns for model in models]
    first = (tmp_path / "out" / "suspects.csv").read_bytes()
    assert main(command) == 0
    assert [model.stat().st_mtime_ns for model in models] == made
    assert (tmp_path / "out" / "suspects.csv").read_bytes() == first
    capsys.readouterr()
    assert main([*command, "--set", "label_smoothing=0.0"]) == 2
    assert "made with another configuration (label_smoothing)" in capsys.readouterr().err
    assert main([*command, "--folds", "3"]) == 2
    assert "made with other data, labels or splits" in capsys.readouterr().err
