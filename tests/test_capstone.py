"""The study end to end on made-up faces: steps, what is kept, going on, the report, checking, publishing."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("sklearn", reason="the extra 'study' is not installed")

from data_sets import write_csv
from tiny_faces import bars
from tiny_study import TINY, few_trees

from unmask import cli
from unmask.capstone import budgets, pipeline, step
from unmask.capstone.budgets import OwnBudget
from unmask.capstone.inputs import Inputs
from unmask.capstone.pipeline import STEPS, Done, check_data, chosen, run_study
from unmask.capstone.publish import publish
from unmask.capstone.report import DATA, LARGEST, PAGE, write_report
from unmask.capstone.step import Context, Result, Step, carried_out, kept_result
from unmask.capstone.steps import own
from unmask.datasets import FaceDataset
from unmask.errors import ConfigError, DataError, InputError

NOWHERE = Inputs()
"""Without optional files; the tests hide those that the machine may have fetched."""


@pytest.fixture(scope="module", autouse=True)
def nothing_fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No weights on this machine, and one thread: for so little work, several only wait for each other."""
    empty = str(tmp_path_factory.mktemp("empty"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_MODELS", empty)
        patch.setenv("TORCH_HOME", empty)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the finished study."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def done(out: Path) -> Done:
    """All steps that need no file besides the data, carried out once, and their report."""
    with few_trees(out):
        finished = run_study(bars(), out, budget=TINY)
    write_report(out, finished, bars(), budget=TINY, device="cpu")
    return finished


@pytest.fixture(scope="module")
def report(done: Done, out: Path) -> dict[str, Any]:
    """Its report.json."""
    read: dict[str, Any] = json.loads((out / DATA).read_text(encoding="utf-8"))
    return read


def test_every_step_ran_and_says_what_it_left_out(done: Done) -> None:
    """All eight, in order; VGG-19 without weights is a sentence that names the command."""
    assert done.ran == [step.name for step in STEPS]
    assert "unmask models fetch vgg19-imagenet" in done.results["vgg19"].left_out["vgg19"]
    assert {"future.votes", "future.faces", "future.film"} <= set(done.results["future"].left_out)


def test_what_is_counted(report: dict[str, Any]) -> None:
    """The network's parts are the study's, and what is loaded is what was saved."""
    rows = {row["key"]: row for row in report["rows"]}
    for key in ("own.maps", "own.convolutions", "own.linear", "own.parameters", "saving.weights", "saving.archive"):
        assert rows[key]["verdict"] == "the same", key
    assert rows["own.unseen"]["ours"] == pytest.approx(262144 / 526255)
    assert rows["own.unseen"]["mended"]["value"] == 526255 - 262144
    lessons = report["steps"]["inside"]["data"]["lessons"]
    assert lessons["padding"]["difference"] == 0
    assert lessons["padding"]["unseen"] == 262144
    assert lessons["stride"]["difference"] < 1e-5
    assert lessons["stride"]["work"] == 4


def test_every_row_says_why_it_is_missing(report: dict[str, Any]) -> None:
    """A row without a value has a reason, and every row has a known verdict."""
    from unmask.capstone.rows import VERDICTS

    for row in report["rows"]:
        assert row["verdict"] in VERDICTS
        assert row["ours"] is not None or row["why"], row["key"]
        assert row["ours"] is None or row["seconds"] is not None


def test_a_second_run_costs_nothing(done: Done, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is run again, and the results are the same."""
    monkeypatch.setattr(pipeline, "carried_out", _never)
    again = run_study(bars(), out, budget=TINY)
    assert again.ran == []
    assert {name: result.to_json() for name, result in again.results.items()} == {
        name: result.to_json() for name, result in done.results.items()
    }


def _never(*_: object) -> Result:
    raise AssertionError("a finished step was run again")


def test_a_changed_budget_concerns_its_step_and_those_that_need_it(done: Done, out: Path) -> None:
    """The own network for longer: it and what looks at it have new keys, the data and the classical models do not."""
    longer = dataclasses.replace(TINY, own=OwnBudget(epochs=3, parted=(0,), together=()))
    now = run_study(bars(), out, budget=longer, steps=[])
    changed = {name for name in done.keys if done.keys[name] != now.keys[name]}
    assert changed == {"own", "inside", "saving", "suspects", "future"}
    assert set(now.results) == {"data", "classical", "vgg19"}


def test_other_data_concerns_every_step(done: Done, out: Path) -> None:
    """Another checksum, other keys."""
    other = dataclasses.replace(bars(), checksum="1" * 64)
    assert not set(run_study(other, out, budget=TINY, steps=[]).keys.values()) & set(done.keys.values())


def test_an_interrupted_step_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the second of two trainings, the step trains the first not at all and the second to its end."""
    budget = dataclasses.replace(TINY, own=OwnBudget(epochs=2, parted=(0,), together=(0,)))
    epochs: list[tuple[int, int]] = []

    def stop(event: str, record: dict[str, Any]) -> None:
        if event == "epoch":
            epochs.append((len(epochs), record["epoch"]))
            if len(epochs) == 3:  # the second training's first epoch is kept
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(bars(), tmp_path, budget=budget, steps=["own"], notify=stop)
    seen: list[int] = []
    finished = run_study(
        bars(),
        tmp_path,
        budget=budget,
        steps=["own"],
        notify=lambda event, record: seen.append(record["epoch"]) if event == "epoch" else None,
    )
    assert [epoch for _, epoch in epochs] == [1, 2, 1]
    assert seen == [2]
    assert finished.results["own"].seconds > 0
    assert len(finished.results["own"].data["runs"]["together"][0]["history"]) == 2


def test_the_time_of_an_interrupted_run_counts(tmp_path: Path) -> None:
    """Seconds add up over runs."""
    calls = []

    def run(context: Context) -> Result:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return Result()

    context = Context(bars(), NOWHERE, TINY, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        carried_out(Step("s", "S", run), context)
    (tmp_path / step.SPENT).write_text('{"seconds": 100.0, "cpu_seconds": 50.0}')
    result = carried_out(Step("s", "S", run), context)
    assert 100 <= result.seconds < 110
    assert 50 <= result.cpu_seconds < 60
    assert kept_result(tmp_path) == result


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["data", "classical", "vgg19", "own", "inside", "saving", "suspects", "future"]),
        ({"only": "data"}, ["data"]),
        ({"only": "saving"}, ["own", "saving"]),  # with what it needs
        ({"start": "suspects"}, ["own", "suspects", "future"]),
    ],
)
def test_chosen_steps(options: dict[str, str], names: list[str]) -> None:
    """One, or all from one on, and what they need."""
    assert chosen(**options) == names


def test_an_unknown_step() -> None:
    """The nearest name is in the message."""
    with pytest.raises(ConfigError, match="did you mean 'classical'"):
        chosen(only="clasical")


def test_refused_data() -> None:
    """No FER2013: another size, or a class that is missing."""
    small = dataclasses.replace(bars(), images=bars().images[:, ::2, ::2])
    with pytest.raises(DataError, match="24 x 24"):
        check_data(small)
    with pytest.raises(DataError, match="no image of fear"):
        check_data(bars().select(bars().labels != 2))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The option is named."""
    with pytest.raises(InputError, match=r"--ferplus .*none\.csv: no such file"):
        Inputs(votes=tmp_path / "none.csv")


def test_the_page_needs_nothing_else(done: Done, out: Path) -> None:
    """One file below 15 MB without any address; marked quick; every section and link target is there."""
    page = (out / PAGE).read_text(encoding="utf-8")
    assert len(page.encode()) < LARGEST
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"']?(https?:)?//", page)
    assert "Quick." in page
    targets = set(re.findall(r'<section id="(\w+)"', page))
    assert set(re.findall(r'href="#(\w+)"', page)) == targets
    assert {step.name for step in STEPS} < targets
    assert page.count("<table") == page.count("</table>")


def test_quick_is_marked_everywhere(report: dict[str, Any], out: Path) -> None:
    """In the JSON by step; in the page at every figure."""
    assert report["about"]["budget"] == "quick"
    assert all(part["quick"] for part in report["steps"].values())
    captions = re.findall("<figcaption>(.*?)</figcaption>", (out / PAGE).read_text(encoding="utf-8"))
    plain = [caption for caption in captions if "read as" not in caption and ", or " not in caption]
    assert all(caption.endswith("Quick.") for caption in plain)


def test_publishing_leaves_faces_out(done: Done, report: dict[str, Any], out: Path, tmp_path: Path) -> None:
    """Every published figure is one that shows no face; rows of the data are not named."""
    stale = tmp_path / "figures" / "data_old.svg"
    stale.parent.mkdir()
    stale.write_text("x")
    (stale.parent / "mine.svg").write_text("x")
    written = publish(out, tmp_path)
    names = {path.name for path in written}
    for name, part in report["steps"].items():
        for figure in part["figures"].values():
            assert (f"{name}_{figure['file']}" in names) is not figure["shows_faces"]
    assert not stale.exists()
    assert (stale.parent / "mine.svg").exists()
    assert {"own_own_cells.jpg", "inside_maps_1.png", "data_samples.png"}.isdisjoint(names)
    assert {"classical_eigenfaces.png", "own_own_confusion.svg", "inside_mean_maps_1.png"} <= names
    text = (tmp_path / DATA).read_text(encoding="utf-8")
    assert "top_losses" not in text
    assert "cells.jpg" not in text
    assert json.loads(text)["rows"] == report["rows"]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert all((tmp_path / link).is_file() for link in re.findall(r"\]\((figures/[^)]+)\)", page))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """From train.csv without Usage: runs, says what is left out; --check prints the rows and fails on what differs."""
    monkeypatch.setitem(budgets.BUDGETS, "quick", TINY)
    training = bars().split("Training")
    data = write_csv(training, tmp_path / "train.csv")
    lines = [line.rpartition(",")[0] for line in data.read_text().splitlines()]
    data.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    command = ["capstone", "--data", str(data), "--out", str(out), "--quick", "--only"]
    assert cli.main([*command, "data"]) == 0
    printed = capsys.readouterr()
    assert "left out: The data has no test rows" in printed.err
    assert str(out / PAGE) in printed.out
    rows = {row["key"]: row for row in json.loads((out / DATA).read_text())["rows"]}
    assert rows["data.labelled"]["ours"] == 210
    assert rows["data.test"]["verdict"] == "not run"
    assert "no test rows" in rows["data.test"]["why"]
    assert cli.main(["capstone", "--check", str(out)]) == 1
    table = capsys.readouterr().out
    assert re.search(r"Rows with labels +28,709 +210 +differs", table)
    assert cli.main(["capstone", "--check", str(out / DATA), "--format", "json"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == len(rows)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--data", "x.csv"], 2, "--out DIR"),
        (["--out", "x"], 2, "--data FILE"),
        (["--out", "x", "--data", "none.csv"], 1, "none.csv"),
        (["--out", "x", "--data", "x.csv", "--jobs", "0"], 2, "--jobs 0"),
        (["--out", "x", "--data", "x.csv", "--only", "data", "--from", "own"], 2, "leave one out"),
        (["--out", "x", "--data", "x.csv", "--only", "datas"], 2, "did you mean 'data'"),
        (["--out", "x", "--data", "x.csv", "--weights", "none.safetensors"], 1, "--weights none.safetensors"),
        (["--check", "none"], 1, "none: cannot be opened"),
        (["--out", "none", "--publish", "docs"], 1, "cannot be opened"),
    ],
)
def test_wrong_usage(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """One line that says what is wrong, never a traceback."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["capstone", *arguments]) == code
    assert message in capsys.readouterr().err


def test_check_refuses_what_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged JSON, and JSON of something else."""
    path = tmp_path / DATA
    for content in ("{", "{}", '{"about": {"budget": "full"}, "rows": [{}]}'):
        path.write_text(content)
        assert cli.main(["capstone", "--check", str(path)]) in (1, 2)
        assert "report.json" in capsys.readouterr().err


def test_own_together_and_parted_are_both_told(done: Done) -> None:
    """One run of each, the mended figure beside the study's protocol."""
    result = done.results["own"]
    assert [len(result.data["runs"][way]) for way in ("parted", "together")] == [1, 1]
    row = result.values["own.accuracy"]
    assert row["mended"]["value"] == result.data["runs"]["together"][0]["accuracy"]
    assert row["draws"] == [result.data["runs"]["parted"][0]["accuracy"]]
    assert own.BLOCKS[0] in [line[0] for line in result.data["layers"]]


def test_suspects_are_rows_of_the_data(done: Done) -> None:
    """The list's rows carry, in the data as loaded, the labels that it names."""
    lines = (done.folders["suspects"] / "suspects.csv").read_text().splitlines()
    assert lines[0] == "row,label,suggested,doubt"
    dataset: FaceDataset = bars()
    for line in lines[1:20]:
        row, label, suggested, doubt = line.split(",")
        assert str(dataset.taxonomy.labels[dataset.labels[int(row)]]) == label
        assert suggested != label
        assert 0 < float(doubt) <= 1
        assert dataset.splits[int(row)] == "Training"
    assert np.isfinite(done.results["suspects"].values["suspects.gain"]["value"])
