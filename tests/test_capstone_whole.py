"""The study end to end on made-up faces, its report in a browser, and its steps that need files on real data."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("sklearn", reason="the extra 'study' is not installed")

from data_sets import write_csv
from tiny_faces import bars
from tiny_study import TINY, bare_machine, few_trees

from unmask import cli
from unmask.capstone import budgets
from unmask.capstone.budgets import OwnBudget
from unmask.capstone.inputs import Inputs
from unmask.capstone.pipeline import STEPS, Done, run_study
from unmask.capstone.publish import publish
from unmask.capstone.report import DATA, PAGE, write_report
from unmask.capstone.steps import own
from unmask.datasets import FaceDataset
from unmask.datasets.cleaning import decide, read_suspects

pytestmark = pytest.mark.slow

BOTH = dataclasses.replace(TINY, own=OwnBudget(epochs=2, parted=(0,), together=(0,)))
CHROMIUM = Path(os.environ.get("UNMASK_TEST_CHROMIUM", "/usr/bin/chromium"))


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
    """All steps, without any file besides the data, and their report."""
    with few_trees(out):
        finished = run_study(bars(), out, budget=BOTH)
    write_report(out, finished, bars(), budget=BOTH, device="cpu")
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


def test_every_row_says_why_it_is_missing(report: dict[str, Any]) -> None:
    """A row without a value has a reason, and every row has a known verdict."""
    from unmask.capstone.rows import VERDICTS

    for row in report["rows"]:
        assert row["verdict"] in VERDICTS
        assert row["ours"] is not None or row["why"], row["key"]
        assert row["ours"] is None or row["seconds"] is not None


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


def test_quick_is_marked_everywhere(report: dict[str, Any], out: Path) -> None:
    """In the JSON by step; in the page at every figure."""
    assert report["about"]["budget"] == "quick"
    assert all(part["quick"] for part in report["steps"].values())
    captions = re.findall("<figcaption>(.*?)</figcaption>", (out / PAGE).read_text(encoding="utf-8"))
    assert captions
    assert all(caption.endswith("Quick.") for caption in captions)


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
    found = read_suspects(done.folders["suspects"] / "suspects.csv")
    dataset: FaceDataset = bars()
    assert found
    for one in found:
        assert str(dataset.taxonomy.labels[dataset.labels[one.row]]) == one.label
        assert one.suggested != one.label
        assert dataset.splits[one.row] == "Training"
    assert decide(dataset, found).undecided == len(found)  # every picture is the one that the list means
    assert np.isfinite(done.results["suspects"].values["suspects.gain"]["value"])


def test_published_figures_of_all_steps(done: Done, out: Path, tmp_path: Path) -> None:
    """Means, eigenfaces, matrices and maps of means; no strip of faces, no list of rows."""
    names = {path.name for path in publish(out, tmp_path)}
    assert {"classical_eigenfaces.png", "data_mean_faces.png", "suspects_suspects_by_class.svg"} <= names
    faces = {
        "data_samples.png",
        "data_augmentation.png",
        "classical_slider.jpg",
        "classical_lbp.png",
        "inside_heat.png",
    }
    assert faces.isdisjoint(names)
    assert {"suspects.csv", "suspects.html"}.isdisjoint(names)


def test_train_csv_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step runs without test rows, and what they would have shown is said to be missing."""
    monkeypatch.setitem(budgets.BUDGETS, "quick", TINY)
    data = write_csv(bars().split("Training"), tmp_path / "train.csv")
    data.write_text("\n".join(line.rpartition(",")[0] for line in data.read_text().splitlines()) + "\n")
    out = tmp_path / "out"
    with few_trees(tmp_path):
        assert cli.main(["capstone", "--data", str(data), "--out", str(out), "--quick", "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert "nothing is measured on PublicTest" in said
    read = json.loads((out / DATA).read_text(encoding="utf-8"))
    missing = {row["key"] for row in read["rows"] if row["verdict"] == "not run" and row["step"] in ("data", "own")}
    assert missing == {"data.test", "own.public"}
    assert set(read["steps"]) == {step.name for step in STEPS}


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; name a Chromium in UNMASK_TEST_CHROMIUM")
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (800, "light"), (1400, "dark")])
def test_the_page_in_a_browser(done: Done, out: Path, width: int, scheme: Literal["dark", "light"]) -> None:
    """No console error, no broken picture, no scrolling sideways, no request; cells and slider answer; it prints."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    wrong: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url))
        page.goto((out / PAGE).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        broken = page.evaluate(
            """async () => { let count = 0;
               for (const image of document.images) {
                 image.loading = 'eager';
                 try { await image.decode(); } catch { count += 1; }
               }
               return count; }"""
        )
        assert broken == 0
        cell = page.locator("#own button[data-cell]:not([data-faces='0'])").first
        cell.focus()
        assert "read as" in page.locator("#own .panel p").inner_text()
        assert page.locator("#own .sprite").is_visible()
        slider = page.locator("#classical input[type=range]")
        before = page.locator("#classical output").inner_text()
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert page.locator("#classical output").inner_text() != before
        assert page.pdf(format="A4").count(b"/Type /Page") > 5
        browser.close()
    assert wrong == []


@pytest.mark.data
@pytest.mark.timeout(1200)
def test_the_steps_that_need_files(data_folder: Path, tmp_path: Path) -> None:
    """VGG-19, FER+'s votes, both MobileNets and a film, on a part of FER2013: each gives its rows and figures."""
    weights = data_folder / "weights"
    inputs = Inputs(
        weights=weights / "vgg19_expanded_from_vgg16_imagenet_fp16.safetensors",
        imagenet=weights / "mobilenet_v2-b0353104.pth",
        faces=weights / "mobilenet_vggface2_hse.safetensors",
        votes=data_folder / "fer2013" / "fer2013new_development.csv",
        film=data_folder / "videos" / "intel_man_head_pose.mp4",
    )
    dataset = _fer2013(data_folder, tmp_path)
    done = run_study(
        dataset, tmp_path / "out", budget=TINY, inputs=inputs, steps=["vgg19", "own", "suspects", "future"]
    )
    vgg19, future = done.results["vgg19"], done.results["future"]
    assert not vgg19.left_out
    assert "It is not the published VGG-19" in vgg19.data["weights"]
    assert {"vgg19.accuracy", "vgg19.confusion", "vgg19.most_confused"} <= set(vgg19.values)
    assert {"finder_frozen", "finder_unfrozen", "tuning", "curves", "vgg19_losses"} <= set(vgg19.figures)
    assert len(vgg19.data["tuning"]["frozen"]) == 2
    assert set(future.left_out) == {"future.data"}
    assert {"future.votes", "future.imagenet", "future.faces", "future.scratch", "future.film"} <= set(future.values)
    assert 0 < done.results["suspects"].data["votes"]["all"] < 1
    page = write_report(tmp_path / "out", done, dataset, budget=TINY, device="cpu").read_text(encoding="utf-8")
    assert "It is not the published VGG-19" in page


def _fer2013(data_folder: Path, folder: Path) -> FaceDataset:
    """FER2013's rows with all but a few of Training's blank, so that votes still join and training takes no time."""
    arrays = np.load(data_folder / "fer2013" / "fer2013_development.npz")
    splits = np.where(arrays["usage"] == 0, "Training", "PublicTest")
    labels = arrays["emotion"].astype(np.int64)
    kept = np.random.default_rng(0).permutation(np.flatnonzero(splits == "Training"))[:600]
    unlabelled = np.ones(len(labels), dtype=bool)
    unlabelled[kept] = False
    unlabelled[np.flatnonzero(splits == "PublicTest")[:100]] = False
    base = bars()
    return FaceDataset("FER2013", arrays["pixels"], np.where(unlabelled, -1, labels), base.taxonomy, splits, "2" * 64)
