"""Steps of the study on made-up faces: what is kept, the report, checking, publishing, the command."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("sklearn", reason="the extra 'study' is not installed")

from data_sets import write_csv
from tiny_faces import bars
from tiny_study import TINY, bare_machine

from unmask import cli
from unmask.capstone import budgets, pipeline, step
from unmask.capstone.budgets import OwnBudget
from unmask.capstone.inputs import Inputs
from unmask.capstone.pipeline import STEPS, Done, check_data, chosen, run_study
from unmask.capstone.publish import publish
from unmask.capstone.report import DATA, LARGEST, PAGE, write_report
from unmask.capstone.step import Context, Result, Step, carried_out, kept_result
from unmask.errors import ConfigError, DataError, InputError


@pytest.fixture(scope="module", autouse=True)
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """See ``tiny_study.bare_machine``."""
    with bare_machine(tmp_path_factory.mktemp("empty")):
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the finished study."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def done(out: Path) -> Done:
    """The own network and what looks at it, carried out once, and the report of these steps."""
    finished = run_study(bars(), out, budget=TINY, steps=["own", "inside", "saving"])
    write_report(out, finished, bars(), budget=TINY, device="cpu")
    return finished


@pytest.fixture(scope="module")
def report(done: Done, out: Path) -> dict[str, Any]:
    """Its report.json."""
    read: dict[str, Any] = json.loads((out / DATA).read_text(encoding="utf-8"))
    return read


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


def test_a_second_run_costs_nothing(done: Done, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is run again, and the results are the same."""
    monkeypatch.setattr(pipeline, "carried_out", _never)
    again = run_study(bars(), out, budget=TINY, steps=["own", "inside", "saving"])
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
    assert changed == {"own", "inside", "saving", "future"}
    assert set(done.results) == {"own", "inside", "saving"}
    assert not now.results


def test_other_data_concerns_every_step(done: Done, out: Path) -> None:
    """Another checksum, other keys."""
    other = dataclasses.replace(bars(), checksum="1" * 64)
    assert not set(run_study(other, out, budget=TINY, steps=[]).keys.values()) & set(done.keys.values())


def test_the_time_of_an_interrupted_run_counts(tmp_path: Path) -> None:
    """Seconds add up over runs."""
    calls = []

    def run(context: Context) -> Result:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return Result()

    context = Context(bars(), Inputs(), TINY, tmp_path)
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
    assert {"own_own_cells.jpg", "inside_maps_1.png"}.isdisjoint(names)
    assert {"own_own_confusion.svg", "inside_mean_maps_1.png"} <= names
    text = (tmp_path / DATA).read_text(encoding="utf-8")
    assert "top_losses" not in text
    assert "cells.jpg" not in text
    assert json.loads(text)["rows"] == report["rows"]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((figures/[^)]+)\)", page)
    assert links
    assert all((tmp_path / link).is_file() for link in links)


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
        (["--out", "x", "--data", "x.csv", "--jobs", "0"], 2, "--jobs: expected a whole number of at least 1, got '0'"),
        (["--out", "x", "--data", "x.csv", "--only", "data", "--from", "own"], 2, "leave one out"),
        (["--out", "x", "--data", "x.csv", "--only", "datas"], 2, "did you mean 'data'"),
        (["--out", "x", "--data", "x.csv", "--weights", "none.safetensors"], 1, "--weights none.safetensors"),
        (["--check", "none"], 1, "none: cannot be opened"),
        (["--out", "none", "--publish", "docs"], 1, "cannot be opened"),
        (["--out", ".", "--publish", "docs"], 1, "holds no report of unmask capstone"),
    ],
)
def test_wrong_usage(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """One line that says what is wrong, never a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    assert cli.main(["capstone", *arguments]) == code
    assert message in capsys.readouterr().err


def test_check_refuses_what_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged JSON, and JSON of something else."""
    path = tmp_path / DATA
    for content in ("{", "{}", '{"about": {"budget": "full"}, "rows": [{}]}'):
        path.write_text(content)
        assert cli.main(["capstone", "--check", str(path)]) in (1, 2)
        assert "report.json" in capsys.readouterr().err
