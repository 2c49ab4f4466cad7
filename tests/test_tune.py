"""``unmask tune`` and ``unmask train`` as a user meets them, the learning-rate finder and the search."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from data_sets import write_csv

from unmask.cli import main
from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, InputError
from unmask.training.augment import Augmentation
from unmask.training.checkpoint import alone_in
from unmask.training.config import TrainConfig
from unmask.training.finder import RateCurve, find_rate
from unmask.training.fit import Trainer
from unmask.training.search import SearchPlan, Trial, load_plan, search

RECIPE = """
name = "tiny"
version = "0"
network = "resnet"
arguments = { widths = [4, 8], blocks = [0, 1] }
heads = { fer2013 = 1.0 }
epochs = 4
warmup_epochs = 1
batch_size = 32
learning_rate = 0.02
ema_decay = 0.5
holdout = 0.2
precision = "fp32"
augmentation = { rotation = 0, zoom = 0, shift = 0, erase = 0 }
"""


@pytest.fixture
def files(tmp_path: Path, bars: FaceDataset) -> tuple[str, str]:
    """A recipe and a data set as files."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return str(tmp_path / "recipe.toml"), str(write_csv(bars, tmp_path / "bars.csv"))


def trainer(bars: FaceDataset, folder: Path) -> Trainer:
    """A trainer of the recipe."""
    config = TrainConfig(
        name="tiny",
        version="0",
        network="resnet",
        arguments={"widths": [4, 8], "blocks": [0, 1]},
        heads={"fer2013": 1.0},
        batch_size=32,
        ema_decay=0.5,
        precision="fp32",
        augmentation=Augmentation(rotation=0, zoom=0, shift=0, erase=0),
    )
    return Trainer(config, bars, folder)


def test_the_finder_finds_and_restores(bars: FaceDataset, tmp_path: Path) -> None:
    """It stops when the loss diverges, suggests a rate that is not at either end, and leaves the trainer as it was."""
    run = trainer(bars, tmp_path)
    run.fit(until=1)
    parts = [run.network.state_dict(), run.average.state_dict()]
    before = [{name: value.clone() for name, value in part.items()} for part in parts]
    moments = {k: v.clone() for k, v in run.optimizer.state[next(iter(run.network.parameters()))].items()}
    curve = find_rate(run, low=1e-5, high=1e3, steps=60)
    assert curve.diverged
    assert len(curve.rates) < 60
    assert 1e-4 < curve.suggestion < 10
    assert list(curve.rates) == sorted(curve.rates)
    for part, old in zip((run.network.state_dict(), run.average.state_dict()), before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in part.items())
    after = run.optimizer.state[next(iter(run.network.parameters()))]
    assert all(torch.equal(after[key], value) for key, value in moments.items())

    untouched = trainer(bars, tmp_path / "other")
    untouched.fit(until=1)
    run.fit(until=2)
    untouched.fit(until=2)
    for a, b in zip(run.network.parameters(), untouched.network.parameters(), strict=True):
        assert torch.equal(a, b)  # the search left no trace in what follows


def test_a_loss_that_never_falls(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No rate is suggested, and the curve is there to be looked at."""
    config, data = files
    options = ["--config", config, "--data", data, "--out", str(tmp_path), "--low", "1e3", "--high", "1e6"]
    assert main(["tune", "rate", *options, "--steps", "10"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "the loss fell at no rate from 1000 to 1e+06" in printed.err
    assert (tmp_path / "rate.svg").exists()


def test_the_finders_numbers_by_hand() -> None:
    """A loss that falls fastest at 1e-2 and is least at 1e-1: a tenth of that, since it is not below the steepest."""
    rates = tuple(10.0**power for power in np.linspace(-4, 0, 41))
    smooth = tuple(float(2 - np.tanh(2 * (np.log10(r) + 2)) + 2 * max(0, np.log10(r) + 1) ** 2) for r in rates)
    curve = RateCurve(rates, smooth, smooth, diverged=False)
    assert curve.steepest == pytest.approx(1e-2, rel=0.3)
    assert 0.05 < curve.lowest < 0.2
    assert curve.suggestion == pytest.approx(max(curve.steepest, curve.lowest / 10))
    assert curve.to_json()["suggestion"] == curve.suggestion


def test_the_finder_refuses_nonsense(bars: FaceDataset, tmp_path: Path) -> None:
    """Rates in the wrong order are refused."""
    with pytest.raises(ConfigError, match="0 < low < high"):
        find_rate(trainer(bars, tmp_path), low=1.0, high=0.1)


def test_rounds_and_draws() -> None:
    """Halving multiplies epochs until the run's end; draws keep to their ranges and come from the seed."""
    space = {
        "learning_rate": {"low": 1e-4, "high": 1e-2, "scale": "log"},
        "warmup_epochs": {"low": 0, "high": 3},
        "optimiser": ["adamw", "sgd"],
    }
    plan = SearchPlan(space, trials=9, first_epochs=2, reduction=3)
    assert plan.rounds(30) == [2, 6, 18, 30]
    assert plan.rounds(6) == [2, 6]
    assert SearchPlan(space, method="random").rounds(30) == [30]
    draws = plan.draws()
    assert draws == plan.draws()
    assert len({draw["learning_rate"] for draw in draws}) == 9
    for draw in draws:
        assert 1e-4 <= draw["learning_rate"] <= 1e-2
        assert draw["warmup_epochs"] in (0, 1, 2, 3)
        assert draw["optimiser"] in ("adamw", "sgd")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trials = 3", "missing: space"),
        ("[space]\nlearning_rate = 3", "expected a list of values"),
        ("[space]\nlearning_rate = { low = 2, high = 1 }", "low < high"),
        ("[space]\nlearning_rate = { low = 0, high = 1, scale = 'log' }", "low < high"),
        ("method = 'grid'\n[space]\nseed = [1]", "random or halving"),
        ("trails = 3", "did you mean 'trials'"),
        ("[space]\nepochs = [2, 4]", "space: epochs: trials are compared after the same epochs"),
        ("[space]\nseed = [1, 2]", "space: seed: .* on the same held-out rows"),
        ('[space]\n"heads.fer2013" = [1.0, 2.0]', "space: heads.fer2013: "),
        ("[space]\nholdout = { low = 0.1, high = 0.2 }", "space: holdout: .* leave it out of the space"),
    ],
)
def test_a_plan_is_checked(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong in a plan is refused by name."""
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_plan(tmp_path / "plan.toml")


def tiny_recipe(**changes: Any) -> dict[str, Any]:
    """The table of a recipe whose runs take a second."""
    recipe: dict[str, Any] = {"name": "t", "version": "0", "network": "resnet"}
    recipe |= {"arguments": {"widths": [4, 8], "blocks": [0, 1]}, "heads": {"fer2013": 1.0}, "warmup_epochs": 0}
    return {**recipe, "holdout": 0.2, "precision": "fp32", "batch_size": 32, "ema_decay": 0.5, **changes}


def test_a_trial_that_stopped_early_is_not_placed_last(bars: FaceDataset, tmp_path: Path) -> None:
    """With patience a trial counts by the epoch that it keeps, and by how far halving let it go, not by its length."""
    recipe = tiny_recipe(epochs=6, patience=1, schedule="constant")
    plan = SearchPlan({"learning_rate": [0.02, 1e-7]}, trials=3, method="random", seed=1)
    found = search(plan, recipe, bars, tmp_path)
    assert [trial.rounds for trial in found] == [1, 1, 1]
    for trial in found:
        assert trial.score == min(record["holdout_loss"] for record in trial.history)
    assert [trial.score for trial in found] == sorted(trial.score or 0 for trial in found)


def test_what_a_search_cannot_be_blamed_for(bars: FaceDataset, tmp_path: Path) -> None:
    """A wrong objective costs nothing; a folder that another process trains in is an error, not a failed trial."""
    plan = SearchPlan({"learning_rate": [0.02]}, trials=1, method="random", objective="holdout_lose")
    with pytest.raises(ConfigError, match="expected one of holdout_loss, holdout_fer2013"):
        search(plan, tiny_recipe(epochs=1), bars, tmp_path)
    assert list(tmp_path.iterdir()) == []
    plan = dataclasses.replace(plan, objective="holdout_loss")
    for taken in (tmp_path, tmp_path / "trials" / "000"):
        with alone_in(taken), pytest.raises(InputError, match="another process trains there"):
            search(plan, tiny_recipe(epochs=1), bars, tmp_path)


def test_search_prefers_what_learns_and_goes_on(bars: FaceDataset, tmp_path: Path) -> None:
    """A sane rate beats one that is far too small; a stopped search ends with the results of an unbroken one."""
    recipe = tiny_recipe(epochs=4, augmentation={"rotation": 0, "zoom": 0, "erase": 0})
    plan = SearchPlan({"learning_rate": [0.02, 1e-7]}, trials=4, first_epochs=2, reduction=2, seed=1)

    class Stop(Exception):
        pass

    def stop(trial: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        search(plan, recipe, bars, tmp_path / "broken", notify=stop)
    resumed = search(plan, recipe, bars, tmp_path / "broken")
    whole = search(plan, recipe, bars, tmp_path / "whole")
    assert [(t.number, t.score, t.epochs) for t in resumed] == [(t.number, t.score, t.epochs) for t in whole]
    assert whole[0].settings == {"learning_rate": 0.02}
    assert sorted(t.epochs for t in whole) == [2, 2, 4, 4]
    saved = json.loads((tmp_path / "whole" / "trials.json").read_text())
    assert [trial["number"] for trial in saved] == [t.number for t in whole]
    assert saved[0]["history"][-1]["holdout_loss"] == whole[0].score
    with pytest.raises(ConfigError, match="another plan"):
        search(SearchPlan({"learning_rate": [0.1]}), recipe, bars, tmp_path / "whole")
    with pytest.raises(ConfigError, match="expected one of holdout_loss"):
        search(
            SearchPlan({"learning_rate": [0.1]}, trials=1, method="random", objective="loss"),
            recipe,
            bars,
            tmp_path / "x",
        )
    with pytest.raises(ConfigError, match=r"trial \{'patience': -1\}: patience = -1"):
        search(SearchPlan({"patience": [-1]}, trials=1), recipe, bars, tmp_path / "y")


def test_a_finished_search_again_is_the_same(bars: FaceDataset, tmp_path: Path) -> None:
    """Each round scores a trial by the epochs of that round, also when the trial has gone further before."""
    recipe = tiny_recipe(epochs=4, schedule="constant")
    plan = SearchPlan({"learning_rate": [0.02, 0.01, 0.005]}, trials=3, first_epochs=1, reduction=2, seed=1)
    first: list[Trial] = []
    again: list[Trial] = []
    for told in (first, again):
        search(plan, recipe, bars, tmp_path, notify=told.append)
    assert first == again
    assert {trial.epochs for trial in again if trial.rounds == 1} == {1}


@pytest.mark.parametrize("library", ["torch", "filelock", "safetensors", "onnx", "onnxscript", "matplotlib"])
def test_a_library_that_is_missing_is_named_first(
    library: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What training needs only at its end is looked for before anything is read."""
    monkeypatch.setitem(sys.modules, library, None)
    assert main(["train", "--config", "none.toml", "--data", "none.csv", "--out", str(tmp_path / "out")]) == 2
    assert f"{library} is not installed; it comes with: pip install 'unmask[train]'" in capsys.readouterr().err


def test_rate_on_the_command_line(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The suggestion on standard output alone, the curve as data and as a picture."""
    config, data = files
    out = str(tmp_path / "rate")
    code = main(["tune", "rate", "--config", config, "--data", data, "--out", out, "--steps", "20", "--high", "10"])
    printed = capsys.readouterr()
    assert code == 0
    saved = json.loads((tmp_path / "rate" / "rate.json").read_text())
    assert float(printed.out) == pytest.approx(saved["suggestion"], rel=0.05)
    assert (tmp_path / "rate" / "rate.svg").read_text().startswith("<?xml")
    assert not (tmp_path / "rate" / "checkpoint.safetensors").exists()


def test_a_device_is_looked_for_before_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that trains refuses a device that is not there, before it loads anything."""
    rest = ["--device", "cuda:99", "--out", str(tmp_path / "out")]
    for command in (
        ["tune", "rate", "--config", "none.toml", "--data", "none.csv"],
        ["tune", "search", "--config", "none.toml", "--data", "none.csv", "--plan", "none.toml"],
        ["data", "clean", "none.csv", "--config", "none.toml"],
        ["capstone", "--data", "none.csv"],
    ):
        assert main([*command, *rest]) == 2
        assert "finds no device 'cuda:99' on this machine; " in capsys.readouterr().err


def test_search_on_the_command_line(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table or JSON of trials, the best first."""
    config, data = files
    (tmp_path / "plan.toml").write_text('trials = 2\nmethod = "random"\n[space]\nlearning_rate = [0.02, 0.01]\n')
    arguments = ["tune", "search", "--config", config, "--data", data, "--plan", str(tmp_path / "plan.toml")]
    arguments += ["--out", str(tmp_path / "s"), "--set", "epochs=2"]
    assert main(arguments) == 0
    assert "holdout_loss" in capsys.readouterr().out
    assert main([*arguments, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_gallery_does_not_replace_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture of the data set, or the data set under another name, is not drawn over."""
    (tmp_path / "faces").mkdir()
    face, link = tmp_path / "faces" / "1.png", tmp_path / "link.png"
    face.write_bytes(b"a face")
    link.symlink_to(face)
    for data in (str(tmp_path / "faces"), str(face)):
        command = ["train", "--config", "x.toml", "--data", data, "--out", str(tmp_path), "--gallery", str(link)]
        assert main(command) == 2
        assert "would replace" in capsys.readouterr().err
    assert face.read_bytes() == b"a face"


def test_nothing_that_trains_writes_over_what_it_reads(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe is not replaced by the run's own copy of it, and no run lies among the faces that it learns from."""
    config, _ = files
    own = tmp_path / "config.json"
    own.write_text("{}")
    faces = tmp_path / "faces" / "happy"
    faces.mkdir(parents=True)
    assert main(["train", "--config", str(own), "--data", str(faces.parent), "--out", str(tmp_path)]) == 2
    assert f"--out {own} would replace {own}, which is read" in capsys.readouterr().err
    about = ["--config", config, "--data", str(faces.parent), "--out", str(faces / "run")]
    commands = (
        ["train", *about],
        ["tune", "rate", *about],
        ["tune", "search", *about, "--plan", "plan.toml"],
        ["study", *about],
        ["capstone", "--data", str(faces.parent), "--out", str(faces / "run")],
        ["evaluate", "nano", "--data", str(faces.parent), "--out", str(faces / "page")],
    )
    for command in commands:
        assert main(command) == 2
        assert "lies in the data set's own folder" in capsys.readouterr().err
    assert not any(faces.iterdir())
    assert own.read_text() == "{}"


def test_train_says_what_the_model_will_lack(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the run, on standard error: nothing is held out, and there is nothing to measure on."""
    config, data = files
    arguments = ["train", "--config", config, "--data", data, "--out", str(tmp_path / "run"), "--set", "epochs=2"]
    assert main([*arguments, "--set", "holdout=0.0", "--set", "measured_split=Other"]) == 0
    printed = capsys.readouterr().err
    assert printed.index("set holdout above 0") < printed.index("no split 'Other'") < printed.index("epoch   1/2")


@pytest.mark.slow
def test_train_on_the_command_line(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run ends with a model and its int8 form; it is not overwritten, and its saved configuration is a recipe."""
    config, data = files
    out = tmp_path / "run"
    arguments = ["train", "--config", config, "--data", data, "--out", str(out)]
    assert main([*arguments, "--int8", "--set", "epochs=2"]) == 0
    printed = capsys.readouterr()
    assert printed.out.split() == [str(out / "model"), str(out / "model_int8")]
    assert "2 epochs, fp32 on cpu" in printed.err
    assert len(json.loads((out / "history.json").read_text())) == 2
    assert (out / "curves.svg").exists()
    assert main(arguments) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["train", "--config", str(out / "config.json"), "--data", data, "--out", str(out), "--resume"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--gallery", str(tmp_path / "views.png")]) == 0
    assert (tmp_path / "views.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["--set", "epoch=3"], 2, "did you mean 'epochs'"),
        (["--set", "initial=nowhere.safetensors"], 2, "no weights 'nowhere.safetensors'"),
        (["--set", "heads.ferplus=1.0"], 1, "--ferplus"),
        (["--threads", "0"], 2, "--threads: expected a whole number from 1"),
        (["--device", "foo", "--data", "none.csv"], 2, "no device 'foo' on this machine; known: cpu"),
        (["--set", "train_split=Trainning"], 2, "did you mean 'Training'"),
        (["--set", "network='resnett'"], 2, "did you mean 'resnet'"),
    ],
)
def test_wrong_use(
    files: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    code: int,
    words: str,
) -> None:
    """Whatever is wrong is said in one line that names it, with the exit code of its kind."""
    config, data = files
    assert main(["train", "--config", config, "--data", data, "--out", str(tmp_path / "run"), *extra]) == code
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
