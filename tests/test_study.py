"""The study: its recipe, draws, statistics, cells that are kept, results, page and command."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra 'study' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'study' is not installed")

from data_sets import write_csv
from tiny_faces import bars, faces

from unmask import cli, plots
from unmask.classical import cells, pictures, results, run
from unmask.classical.cells import balanced_draw, learned_bytes
from unmask.classical.classifiers import build_classifier, classifier_names
from unmask.classical.gabor import Gabor
from unmask.classical.pixels import Eigenfaces
from unmask.classical.plan import Plan, load_plan
from unmask.classical.report import draw_figures, study_page
from unmask.classical.results import collect, commit, to_csv, whole_fit_s
from unmask.classical.run import Cell, Study
from unmask.classical.statistics import above_chance, compare, corrected_t_test, holm, in_words, within_noise
from unmask.classical.words import VisualWords
from unmask.datasets import FaceDataset
from unmask.errors import ConfigError, DataError, InputError
from unmask.expressions import FER2013
from unmask.models import load_model

ROOT = Path(__file__).resolve().parents[1]

RECIPE = """
[small]
seeds = 3
train = 12
validate = 6
folds = 2

[full]
search_rows = 200
folds = 2
held_out = 0.2

[features.hog]
cell = 8

[features.pixels]

[features.hog_mirrored]
kind = "mirrored"
feature = "hog"

[classifiers.ridge]
kind = "ridge"
grid = { alpha = [0.1, 1.0] }

[classifiers.forest]
kind = "forest"
options = { n_estimators = 5 }

[tables.few]
title = "Few images"
protocol = "small"
cells = { hog = ["ridge", "forest"], pixels = ["ridge"] }
published = { hog = { ridge = 0.2 } }

[tables.all]
title = "All images"
protocol = "full"
cells = { hog_mirrored = ["ridge", "forest"] }
save = ["hog_mirrored/ridge"]
"""


def plan_of(folder: Path, text: str = RECIPE) -> Plan:
    """The plan of a recipe."""
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path)


@pytest.fixture
def dataset() -> FaceDataset:
    """Seven classes that are easy to tell apart."""
    return bars()


def test_the_recipe_in_the_repository_loads() -> None:
    """It holds the study's nine cells with the study's own values beside them, and at least ten draws."""
    plan = load_plan(ROOT / "recipes/study.toml")
    assert plan.small.seeds >= 10
    assert (plan.small.train, plan.small.validate) == (100, 50)
    published = plan.tables["study"].published
    assert [list(published[feature].values()) for feature in ("pixels", "pca", "lbp_image")] == [
        [0.25, 0.26, 0.25],
        [0.23, 0.23, 0.26],
        [0.18, 0.19, 0.21],
    ]
    assert plan.features["pca"]["components"] == 300


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds = 3", "seed = 3"), "unknown key 'seed'; did you mean 'seeds'"),
        (("seeds = 3", "seeds = 1"), "small.seeds: expected 2 or more"),
        (("seeds = 3", "seeds = true"), "expected int"),
        (("cell = 8", "cel = 8"), r"\[features.hog\].*cel"),
        (('kind = "ridge"', 'kind = "rigde"'), r"\[classifiers.ridge\].*did you mean 'ridge'"),
        (("alpha = [0.1, 1.0]", "alfa = [0.1]"), r"\[classifiers.ridge.grid\] alfa.*did you mean 'alpha'"),
        (("alpha = [0.1, 1.0]", "alpha = 0.1"), "no list of values"),
        (("n_estimators = 5", "trees = 5"), r"\[classifiers.forest\].*trees"),
        (('protocol = "full"', 'protocol = "whole"'), "known: full, small"),
        (('pixels = ["ridge"]', 'pixel = ["ridge"]'), r"\[tables.few\] pixel: did you mean 'pixels'"),
        (('pixels = ["ridge"]', 'pixels = ["tree"]'), r"\[tables.few\] tree"),
        (('save = ["hog_mirrored/ridge"]', 'save = ["hog/ridge"]'), "no cell of a full table"),
        (('title = "Few images"\n', ""), "title"),
        (("[small]", "[smalls]"), "unknown key 'smalls'"),
        (('hog = ["ridge", "forest"]', 'hog = "ridge"'), "expected a list of classifiers"),
        (("hog = { ridge = 0.2 }", 'hog = { ridge = "low" }'), "expected a table of accuracies"),
        (("[features.pixels]", "[features]\npixels = 3"), "features.pixels = 3: expected a table"),
        (("[small]", "[small"), "not TOML"),
        (("[features.pixels]", '[features."../pixels"]'), r"\[features\] '../pixels': expected letters"),
        (
            ('hog = ["ridge", "forest"]', 'hog = ["ridge", "mirrored-ridge"]'),
            "'hog/mirrored-ridge' and 'hog_mirrored/ridge' would be kept in one file",
        ),
    ],
)
def test_a_mistake_in_a_recipe_is_found_before_anything_runs(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    """The message names the table and the nearest known name."""
    assert change[0] in RECIPE
    with pytest.raises(ConfigError, match=message):
        plan_of(tmp_path, RECIPE.replace(*change, 1))


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(InputError, match=r"none\.toml: cannot be opened"):
        load_plan(tmp_path / "none.toml")


def test_a_draw_is_balanced_and_holds_no_image_twice(dataset: FaceDataset) -> None:
    """So many images of each class on both sides, no copy on both, the same for the same seed."""
    draw = balanced_draw(dataset, train=10, validate=5, seed=4)
    assert (np.bincount(draw.train_labels) == 10).all()
    assert (np.bincount(draw.validate_labels) == 5).all()
    together = np.concatenate([draw.train, draw.validate]).reshape(105, -1)
    assert len(np.unique(together, axis=0)) == 105
    again = balanced_draw(dataset, train=10, validate=5, seed=4)
    assert (again.train == draw.train).all()
    assert not (balanced_draw(dataset, train=10, validate=5, seed=5).train == draw.train).all()
    with pytest.raises(DataError, match="different images of 'angry'"):
        balanced_draw(dataset, train=100, validate=50, seed=0)


def test_corrected_t_test_by_hand() -> None:
    """Mean 0.02, variance 1e-4, 4 draws, half as many rows measured: t = 0.02 / sqrt(1e-4 * 0.75) with 3 degrees."""
    differences = [0.01, 0.02, 0.03, 0.02 + 1e-9]
    spread = np.var(differences, ddof=1) * (1 / 4 + 0.5)
    t = 0.02 / np.sqrt(spread)
    # The t distribution of 3 degrees has a closed form.
    tail = 0.5 - (t / np.sqrt(3) / (1 + t * t / 3) + np.arctan(t / np.sqrt(3))) / np.pi
    assert corrected_t_test(differences, share=0.5) == pytest.approx(2 * tail, rel=1e-6)
    assert corrected_t_test(differences, share=0.5) > corrected_t_test(differences, share=0.0)
    assert corrected_t_test([0, 0, 0], share=0.5) == 1
    assert corrected_t_test([0.1, 0.3 - 0.2], share=0.5) == 1  # no spread but that of rounding: not defined
    assert corrected_t_test(differences, share=0.5, above=True) == pytest.approx(tail, rel=1e-6)
    assert corrected_t_test([-each for each in differences], share=0.5, above=True) == pytest.approx(1 - tail, rel=1e-6)


def test_holm_by_hand() -> None:
    """The smallest is raised most, and no raised value is below one before it."""
    assert holm([0.02, 0.01, 0.5]) == pytest.approx([0.04, 0.03, 0.5])
    assert holm([]) == []


def test_comparisons_and_their_words() -> None:
    """A clear difference is named with its direction; what is left means nothing and is said to."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (3, 10))
    accuracies = {"a": 0.2 + noise[0], "b": 0.4 + noise[1], "c": 0.4 + noise[2]}
    rows = compare({name: list(values) for name, values in accuracies.items()}, share=0.5)
    text = in_words(rows, draws=10)
    assert "2 of 3 differences" in text
    assert "b is better than a" in text
    assert "c is better than a" in text
    assert "means nothing" in text
    draws = {"low": [0.13, 0.15, 0.14, 0.15], "high": [0.4, 0.41, 0.39, 0.4], "below": [0.04, 0.05, 0.03, 0.04]}
    above = above_chance(draws, 1 / 7, share=0.5)
    assert above["high"] < 0.05 < above["low"]
    assert above["below"] > 0.99  # clearly another value than chance, but not above it


def test_within_noise() -> None:
    """One more draw of the same kind may lie about two standard deviations away, and no farther."""
    draws = [0.24, 0.26, 0.25, 0.27, 0.23]
    assert within_noise(0.28, draws)
    assert not within_noise(0.34, draws)


@pytest.fixture
def finished(dataset: FaceDataset, tmp_path: Path) -> Study:
    """Both tables of the small recipe, computed."""
    study = Study(plan_of(tmp_path), dataset, tmp_path / "out")
    study.run(["few", "all"], lambda line, finished: None)
    return study


def test_results(finished: Study, dataset: FaceDataset) -> None:
    """Tables hold every cell with its figures; JSON and CSV hold the same; the page is whole without pictures."""
    results = json.loads(json.dumps(collect(finished, ["few", "all"])))
    few, full = results["tables"]["few"], results["tables"]["all"]
    assert (few["train"], few["validate"], few["unfinished"]) == (84, 42, 0)
    assert few["chance"] == pytest.approx(1 / 7)
    first = few["cells"][0]
    assert (first["feature"], first["classifier"], len(first["accuracies"])) == ("hog", "ridge", 3)
    assert first["accuracy"] == pytest.approx(np.mean(first["accuracies"]))
    assert first["accuracy"] > 0.9
    assert first["published"] == 0.2
    assert first["published_within_noise"] is False
    assert set(first["chosen"][0]) == {"alpha"}
    assert len(few["comparisons"]) == 3
    cell = full["cells"][0]
    assert (cell["n"], cell["deduplicated"]["n"]) == (70, 60)
    assert np.sum(cell["confusion"]) == 70
    assert cell["bytes"] > 4 * 7 * cell["dimensions"]
    rows = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert [row["table"] for row in rows] == ["few"] * 3 + ["all"] * 2
    assert float(rows[3]["accuracy"]) == pytest.approx(cell["accuracy"], abs=1e-5)
    page = study_page(results, {})
    assert "Few images" in page
    assert "hog_mirrored" in page
    assert results["about"]["checksum"] == dataset.checksum


def test_the_saved_model_is_the_cells(finished: Study) -> None:
    """The table's model loads and has the cell's accuracy."""
    card = load_model(finished.folder / "models" / "hog-mirrored-ridge").card
    cell = finished.result(Cell("full", "hog_mirrored", "ridge"))
    assert cell is not None
    assert card.metrics["bars PublicTest"]["accuracy"] == pytest.approx(cell["accuracy"])
    assert card.training["classifier"] == "ridge"
    assert card.heads[0].temperature == pytest.approx(cell["temperature"], rel=0.01)


def test_a_model_is_saved_anew_where_it_is_not_the_cells(finished: Study, dataset: FaceDataset, tmp_path: Path) -> None:
    """A run that was stopped between a cell and its model leaves an older model, which a resumed run replaces."""
    place = finished.folder / "models" / "hog-mirrored-ridge"
    old = {path.name: path.read_bytes() for path in place.iterdir()}
    changed = Study(plan_of(tmp_path, RECIPE.replace("[0.1, 1.0]", "[3.0]")), dataset, finished.folder)
    changed.run(["all"], lambda line, finished: None)
    new = (place / "model.json").read_bytes()
    for name, content in old.items():
        (place / name).write_bytes(content)
    changed.run(["all"], lambda line, finished: None)
    assert load_model(place).card.training["chosen"] == {"alpha": 3.0}
    assert json.loads((place / "model.json").read_bytes())["training"] == json.loads(new)["training"]
    assert load_model(place).card.learned_otherwise(dataset.checksum, "another division")


@pytest.mark.parametrize("missing", ["class", "unseen"])
def test_data_that_the_whole_study_cannot_use(dataset: FaceDataset, tmp_path: Path, missing: str) -> None:
    """A class without a row, or nothing to measure on but copies, is refused before there is any work."""
    if missing == "class":
        dataset, message = dataset.select(dataset.labels != 3), "no row of happy to learn from in Training"
    else:
        first = dataset.split("Training")
        copies = dataclasses.replace(first, splits=np.full(len(first), "PublicTest"))
        dataset = dataclasses.replace(
            dataset,
            images=np.concatenate([first.images, copies.images]),
            labels=np.concatenate([first.labels, copies.labels]),
            splits=np.concatenate([first.splits, copies.splits]),
        )
        message = "all of PublicTest stands in Training too"
    with pytest.raises(DataError, match=message):
        Study(plan_of(tmp_path), dataset, tmp_path / "out").run(["few", "all"], lambda line, finished: None)
    assert not (tmp_path / "out").exists()


def test_resume_computes_only_what_is_missing(
    finished: Study, dataset: FaceDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Finished cells are kept; a damaged one, and those that a changed recipe concerns, are computed anew."""
    computed: list[str] = []
    real = cells.run_small

    def counted(plan: Plan, draw: Any, feature: str, names: list[str], **options: Any) -> Any:
        computed.extend(f"{feature}/{name}" for name in names)
        return real(plan, draw, feature, names, **options)

    monkeypatch.setattr(run, "run_small", counted)
    finished.run(["few"], lambda line, finished: None)
    assert computed == []
    (finished.folder / Cell("small", "hog", "ridge", 1).path).write_text("{", encoding="utf-8")
    finished.run(["few"], lambda line, finished: None)
    assert computed == ["hog/ridge"]
    computed.clear()
    changed = Study(plan_of(tmp_path, RECIPE.replace("n_estimators = 5", "n_estimators = 6")), dataset, finished.folder)
    changed.run(["few"], lambda line, finished: None)
    assert computed == ["hog/forest"] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("cell = 8", "cell = 0"), r"\[features.hog\]"),
        (("cell = 8", "cell = 7"), r"\[features.hog\].*multiple|cell = 7"),
        (("cell = 8", 'cell = "wide"'), r"\[features.hog\]"),
        (("n_estimators = 5", "n_estimators = -5"), r"\[classifiers.forest\].*n_estimators"),
        (("alpha = [0.1, 1.0]", 'alpha = ["much"]'), r"\[classifiers.ridge\]"),
    ],
)
def test_options_that_the_data_refuses(
    dataset: FaceDataset, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    """A value that only shows itself wrong on images names its table, not a traceback."""
    study = Study(plan_of(tmp_path, RECIPE.replace(*change, 1)), dataset, tmp_path / "out")
    with pytest.raises(ConfigError, match=message):
        study.run(["few"], lambda line, finished: None)


def test_an_unfinished_table_says_so(dataset: FaceDataset, tmp_path: Path) -> None:
    """Without cells there is nothing to show but that."""
    study = Study(plan_of(tmp_path), dataset, tmp_path / "out")
    results = collect(study, ["few", "all"])
    assert results["tables"]["few"]["unfinished"] == 9
    assert "9 results are not finished" in study_page(results, {})


@pytest.mark.slow
def test_several_jobs_give_the_same(dataset: FaceDataset, tmp_path: Path) -> None:
    """Processes change nothing but the time."""
    plan = plan_of(tmp_path)
    one, two = Study(plan, dataset, tmp_path / "one"), Study(plan, dataset, tmp_path / "two", jobs=2)
    for study in (one, two):
        study.run(["few"], lambda line, finished: None)
    for cell in one.cells(["few"]):
        first, second = one.result(cell), two.result(cell)
        assert first is not None
        assert second is not None
        assert (first["accuracy"], first["chosen"]) == (second["accuracy"], second["chosen"])


def test_learned_bytes() -> None:
    """Arrays count once, trees are opened."""
    shared = np.zeros(10)
    assert learned_bytes({"a": shared, "b": [shared, np.zeros(5, np.uint8)]}) == 85
    rows = np.random.default_rng(0).normal(size=(60, 4))
    small, large = (build_classifier("forest", n_estimators=count).fit(rows, np.arange(60) % 3) for count in (2, 20))
    assert 5 < learned_bytes(large) / learned_bytes(small) < 20


@pytest.mark.parametrize("kind", classifier_names())
def test_every_classifier_has_a_size(kind: str) -> None:
    """Whatever it is made of, compiled parts included, is counted."""
    options = {"components": 9} if kind in ("pca_svc", "mirror_svc", "local_svm") else {}
    rows = np.random.default_rng(0).normal(size=(140, 40)).astype(np.float32)
    classifier = build_classifier(kind, **options).fit(rows, np.arange(140) % 7)
    assert learned_bytes(classifier) > 4 * 7


def test_the_command(dataset: FaceDataset, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a CSV to tables, JSON, CSV, a page with pictures; a second run needs --resume, a wrong table a hint."""
    plan_of(tmp_path)
    data = write_csv(dataset, tmp_path / "faces.csv")
    out = tmp_path / "out"
    command = ["study", "--data", str(data), "--config", str(tmp_path / "recipe.toml"), "--out", str(out)]
    assert cli.main([*command, "--table", "few", "--no-pictures"]) == 0
    printed = capsys.readouterr()
    assert "hog ridge" in printed.out
    assert "the study 0.20" in printed.out
    assert "chance 0.143" in printed.out
    assert printed.err.strip() == f"unmask: {out / 'study.html'}"
    page = (out / "study.html").read_text(encoding="utf-8")
    assert page.count("<img") == 1
    assert cli.main([*command, "--table", "few"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*command, "--table", "fewer", "--resume"]) == 2
    assert "did you mean 'few'" in capsys.readouterr().err
    assert cli.main([*command, "--jobs", "0"]) == 2
    own = ["--data", str(out / "results.csv"), "--config", str(tmp_path / "recipe.toml"), "--out", str(out)]
    assert cli.main(["study", *own, "--resume"]) == 2
    assert "results.csv, which is read" in capsys.readouterr().err
    assert cli.main([*command, "--table", "few", "--resume", "--no-pictures", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"]["few"]["draws"] == 3


@pytest.mark.slow
def test_the_command_draws_the_features(dataset: FaceDataset, photo: Path, tmp_path: Path) -> None:
    """Each picture lies in a file of its own and in the page."""
    plan_of(tmp_path)
    data = write_csv(dataset, tmp_path / "faces.csv")
    command = ["study", "--data", str(data), "--config", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--table", "few", "--face", str(photo)]) == 0
    drawn = list((tmp_path / "out" / "pictures").iterdir())
    assert len(drawn) == 9
    assert (tmp_path / "out" / "study.html").read_text(encoding="utf-8").count("<img") == 10


@pytest.mark.slow
def test_pictures_show_single_faces_only_when_asked(dataset: FaceDataset) -> None:
    """Without leave the one face that is shown is the example; with it, other pictures appear."""
    example = faces(1, seed=3)
    without = draw_figures(dataset, example, with_faces=False)
    shown = draw_figures(dataset, example, with_faces=True)
    assert without.keys() == shown.keys()
    differ = {title for title in shown if shown[title] != without[title]}
    assert differ == {"Local binary patterns before and after", "Reconstructions from a few components"}


def test_pictures_that_crops_do_not_suit_are_told(dataset: FaceDataset) -> None:
    """Crops of another size cost a picture, not the page."""
    large = dataclasses.replace(dataset, images=np.pad(dataset.images, ((0, 0), (1, 1), (1, 1)), mode="edge"))
    told: list[str] = []
    drawn = draw_figures(large, large.images[:1], with_faces=False, left_out=told.append)
    assert len(drawn) + len(told) == 9
    assert any("Histograms of oriented gradients': cell = 6" in line for line in told)


@pytest.mark.parametrize(("side", "rows"), [(48, 1), (12, 400)])
def test_pictures_of_few_or_small_crops(side: int, rows: int) -> None:
    """No more eigenfaces are asked for than there are; what else does not suit is told."""
    images = np.random.default_rng(0).integers(0, 256, (rows, side, side), dtype=np.uint8)
    splits = np.array(["Training"] * rows)
    few = FaceDataset("few", images, np.arange(rows) % 7, FER2013, splits, "0" * 64)
    told: list[str] = []
    drawn = draw_figures(few, images[:1], with_faces=False, left_out=told.append)
    assert len(drawn) + len(told) == 9
    assert drawn


def test_times_of_both_protocols_are_of_the_same_work() -> None:
    """Feature, search and fit: the table for programs and the page say the same."""
    cell = {
        **dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "std", "published", "predict_us", "bytes"), 0.5),
        **{"feature": "hog", "classifier": "svc", "chosen": {}, "deduplicated": {"accuracy": 0.25}},
        **{"feature_s": 4.0, "search_s": 390.0, "fit_s": 10.0},
    }
    told = to_csv({"tables": {"full": {"protocol": "full", "cells": [cell]}}})
    (row,) = csv.DictReader(io.StringIO(told))
    assert row["fit_s"] == "404"
    assert whole_fit_s(cell) == 404


def test_a_cell_that_was_not_run_has_no_bar() -> None:
    """It is not a bar of height 0."""
    cells = [
        {"feature": feature, "classifier": classifier, "accuracy": accuracy, "std": 0.01}
        for feature, classifier, accuracy in (("pixels", "svc", 0.25), ("hog", "svc", 0.5), ("hog", "forest", 0.75))
    ]
    drawn = plots.to_svg(pictures.accuracy_bars({"cells": cells, "chance": 1 / 7})).decode()
    assert ">0.75<" in drawn
    assert ">0.00<" not in drawn


@pytest.mark.slow
def test_pictures() -> None:
    """Every picture is drawn, and the same twice."""
    images = faces(40)
    eigen = Eigenfaces(components=30).fit(images)
    words = VisualWords(words=12, stride=8).fit(images)
    gabor = Gabor().fit(images)
    drawn: list[Callable[[], Any]] = [
        lambda: pictures.lbp_before_after(images[:3], ["a", "b", "c"]),
        lambda: pictures.lbp_histogram(images[0]),
        lambda: pictures.eigenfaces(eigen),
        lambda: pictures.explained_variance(eigen),
        lambda: pictures.reconstructions(eigen, images[:2]),
        lambda: pictures.hog_glyphs(images[0]),
        lambda: pictures.gabor_filters(gabor),
        lambda: pictures.gabor_answers(gabor, images[0]),
        lambda: pictures.visual_words(words),
    ]
    for make in drawn:
        first = plots.to_svg(make())
        assert b"<svg" in first
    assert plots.to_svg(drawn[3]()) == plots.to_svg(drawn[3]())


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_that_of_this_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed inside somebody else's repository, the code has no commit; only its own checkout tells one."""
    package = tmp_path / ".venv" / "unmask"
    package.mkdir(parents=True)
    (package / "results.py").write_text("")
    (tmp_path / "theirs.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "theirs.py"], ["commit", "-qm", "theirs"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(results, "__file__", str(package / "results.py"))
    assert commit() is None
    subprocess.run([*git, "add", "-f", str(package / "results.py")], check=True)
    assert commit() is not None
