"""Answers, views, ensembles, groups, damaged crops, top losses; and the page and command over them."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from data_sets import write_csv

from unmask.cli import evaluate as evaluate_command
from unmask.cli import main
from unmask.datasets import FaceDataset
from unmask.errors import ConfigError, DataError, InputError
from unmask.evaluation.answers import Answers, answer, head_for, predict, predictor
from unmask.evaluation.corruptions import Corruption, corruptions, evaluate_corrupted, register_corruption
from unmask.evaluation.groups import UNKNOWN, by_group, read_groups, subjects_of
from unmask.evaluation.losses import top_losses
from unmask.evaluation.measure import measure
from unmask.evaluation.views import VIEWS, views_of
from unmask.expressions import FER2013, FERPLUS, Expression, Taxonomy
from unmask.models import Classifier, bundled_models

TWO = Taxonomy("two", (Expression.SAD, Expression.HAPPY))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """The model inside the package."""
    return Classifier.load("small")


@pytest.fixture(scope="module")
def noise() -> FaceDataset:
    """Sixty crops of noise with labels, 20 of them Training, the last two of PublicTest copies of Training's first."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    images[58:] = images[:2]
    splits = np.array(["Training"] * 20 + ["PublicTest"] * 40)
    subjects = np.array(["", "ada", "bo"] * 20)
    return FaceDataset("noise", images, generator.integers(0, 7, 60), FER2013, splits, "0" * 64, subjects=subjects)


def by_hand() -> Answers:
    """Four rows of two classes: right, right, wrong, wrong."""
    return Answers(
        model="hand@1",
        parameters=1,
        data="hand",
        checksum="",
        split="PublicTest",
        views=1,
        taxonomy=TWO,
        rows=np.array([3, 5, 6, 9]),
        images=np.zeros((4, 48, 48), dtype=np.uint8),
        labels=np.array([0, 1, 1, 0]),
        probs=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.05, 0.95]]),
        copied=np.array([False, True, False, False]),
    )


def test_numbers_of_views_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Another number is refused in words."""
    assert main(["evaluate", "nano", "--data", "none.csv", "--views", "3"]) == 2
    assert "invalid choice: '3'; " in capsys.readouterr().err


def test_ten_views() -> None:
    """The crop, four shifted by two pixels to each corner, and the mirror image of each; the edge is repeated."""
    crop = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    views = list(views_of(crop, 10))
    assert len(views) == 10
    np.testing.assert_array_equal(views[0], crop)
    np.testing.assert_array_equal(views[1], crop[:, :, ::-1])
    np.testing.assert_array_equal(views[2][0, 2:, 2:], crop[0, :-2, :-2])
    assert (views[2][0, :3, :3] == crop[0, 0, 0]).all()
    np.testing.assert_array_equal(views[8][0, :-2, :-2], crop[0, 2:, 2:])
    assert [len(list(views_of(crop, count))) for count in VIEWS] == [1, 2, 10]
    assert evaluate_command.VIEWS == VIEWS  # written twice, so that the command's help loads nothing
    with pytest.raises(ConfigError, match="1, 2, 10"):
        list(views_of(crop, 3))


def test_views_average_the_logits(classifier: Classifier, noise: FaceDataset) -> None:
    """Two views of a crop give what its mirror image gives; one view gives the classifier's own probabilities."""
    crops = noise.images[:3]
    np.testing.assert_allclose(predict(classifier, crops, FERPLUS), classifier.probs(crops, head="ferplus"))
    turned = predict(classifier, np.ascontiguousarray(crops[:, :, ::-1]), FERPLUS, views=2)
    np.testing.assert_allclose(predict(classifier, crops, FERPLUS, views=2), turned, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_models(classifier: Classifier, noise: FaceDataset) -> None:
    """A model beside itself answers as alone; identity and parameters are those of both; progress counts each crop."""
    counts: list[int] = []
    alone = answer([classifier], noise, split="PublicTest")
    both = answer([classifier, classifier], noise, split="PublicTest", advance=counts.append)
    np.testing.assert_allclose(both.probs, alone.probs)
    assert both.model == f"{classifier.card.identity} + {classifier.card.identity}"
    assert both.parameters == 2 * alone.parameters
    assert sum(counts) == 40


def test_answers_know_their_rows_and_copies(classifier: Classifier, noise: FaceDataset) -> None:
    """Rows are positions in the whole data set; copies of Training are counted apart."""
    answers = answer([classifier], noise, split="PublicTest")
    np.testing.assert_array_equal(answers.rows, np.arange(20, 60))
    assert answers.copied.sum() == 2
    figures = answers.figures()
    assert (figures["n"], figures["deduplicated"]["n"]) == (40, 38)
    unlabelled = dataclasses.replace(noise, labels=np.full(60, -1))
    with pytest.raises(DataError, match="nothing to measure"):
        answer([classifier], unlabelled, split="PublicTest")


def test_copies_of_what_was_learned_from(classifier: Classifier, noise: FaceDataset) -> None:
    """The split is the one that the card names, where the data has it, of an ensemble each one's; else Training."""
    other = learned_from(classifier, "Old, without copies of other splits' images")
    splits = np.where(np.arange(60) < 10, "Old", noise.splits)
    splits[0] = "Training"
    dataset = dataclasses.replace(noise, splits=splits)
    alone = measure(answer([other], dataset, split="PublicTest"))
    assert (alone.answers.learned, alone.answers.copied.sum()) == (("Old",), 1)
    assert (alone.apart_title, alone.to_json()["learned"]) == ("without copies of Old", ["Old"])
    both = measure(answer([classifier, other], dataset, split="PublicTest"))
    assert (both.apart_title, both.answers.copied.sum()) == ("without copies of Training and Old", 2)
    assert measure(answer([other], dataset, split="Old")).apart is None
    assert answer([other], noise, split="PublicTest").learned == ("Training",)
    assert answer([other], dataset, split="PublicTest", learned="Training").copied.sum() == 1


def learned_from(classifier: Classifier, split: str) -> Classifier:
    """The same model with a card that names another split."""
    card = dataclasses.replace(classifier.card, training={**classifier.card.training, "split": split})
    return Classifier(dataclasses.replace(classifier.model, card=card))


def test_crops_of_another_size(classifier: Classifier, noise: FaceDataset) -> None:
    """The message says what the model reads, and which option brings the data to it."""
    larger = dataclasses.replace(noise, images=np.zeros((60, 96, 64), dtype=np.uint8))
    with pytest.raises(DataError, match=r"small@.* reads crops of 48 x 48 pixels, the data has 96 x 64; .*--size 48"):
        answer([classifier], larger, split="PublicTest")


def test_alphabetical_order_changes_no_figure(classifier: Classifier, noise: FaceDataset) -> None:
    """Labels in the study's order: the same rows, figures and confusions under their names."""
    answers = answer([classifier], noise, split="PublicTest")
    ordered = answers.alphabetical()
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert [str(label) for label in ordered.taxonomy.labels] == names
    for code, label in enumerate(answers.taxonomy.labels):
        place = ordered.taxonomy.labels.index(label)
        np.testing.assert_array_equal(ordered.labels == place, answers.labels == code)
        np.testing.assert_array_equal(ordered.probs[:, place], answers.probs[:, code])
    assert ordered.figures()["accuracy"] == answers.figures()["accuracy"]
    groups = np.array(["a", "b"] * 30)
    plain, study = measure(answers, groups=groups), measure(ordered.alphabetical(), groups=groups)
    assert study.intervals == plain.intervals
    assert list(study.per_class) == names
    for name in names:
        assert repr(study.per_class[name]) == repr(plain.per_class[name])  # as text, in which NaN is NaN
    assert study.groups == plain.groups
    again = predictor([classifier], ordered.taxonomy)(ordered.images)
    np.testing.assert_allclose(again, ordered.probs)


def test_head_for_a_taxonomy(classifier: Classifier) -> None:
    """A model's own head where it has one, else its first."""
    assert head_for(classifier.card, FER2013).name == "fer2013"
    assert head_for(classifier.card, TWO).name == "ferplus"


def test_top_losses_by_hand() -> None:
    """The worst first, with the row's position in the data and what was answered."""
    worst, second = top_losses(by_hand(), 2)
    assert (worst.row, worst.actual, worst.predicted) == (9, "sad", "happy")
    assert worst.loss == pytest.approx(-np.log(0.05))
    assert (worst.probability, worst.confidence) == (0.05, 0.95)
    assert (second.row, second.predicted) == (6, "sad")
    assert "image" not in second.to_json()


def test_groups_by_hand() -> None:
    """Rows are matched by their position in the data; the worst group comes first."""
    groups = np.array(["x", "x", "x", "a", "x", "a", "b", "x", "x", "b"])
    first, second = by_group(by_hand(), groups)
    assert (first.group, first.n, first.accuracy.value) == ("b", 2, 0.0)
    assert (second.group, second.n, second.accuracy.value) == ("a", 2, 1.0)
    assert second.to_json()["intervals"]["accuracy"] is None  # two rows, both read rightly, make nothing certain


def test_groups_from_a_file(noise: FaceDataset, tmp_path: Path) -> None:
    """A named column, one line a row; empty cells are a group of their own."""
    path = tmp_path / "groups.csv"
    path.write_text("light,age\n" + "day,\n" * 59 + "night,old\n")
    assert read_groups(path, noise, column="light")[58:].tolist() == ["day", "night"]
    assert read_groups(path, noise, column="age")[58:].tolist() == [UNKNOWN, "old"]
    with pytest.raises(DataError, match="name the column"):
        read_groups(path, noise)
    with pytest.raises(DataError, match="did you mean 'light'"):
        read_groups(path, noise, column="lihgt")
    path.write_text("age\n" + "\n" * 59 + "old\n\n")  # in one column an empty cell is a blank line
    assert read_groups(path, noise)[58:].tolist() == [UNKNOWN, "old"]
    path.write_text("light,age\n\n" + "day,old\n\n" * 60)  # in several it is no row
    assert read_groups(path, noise, column="age").tolist() == ["old"] * 60
    path.write_text("age\nold\n")
    with pytest.raises(DataError, match="has 1 rows, but noise has 60"):
        read_groups(path, noise)
    with pytest.raises(InputError, match="cannot be read"):
        read_groups(tmp_path / "missing.csv", noise)


def test_groups_of_subjects(noise: FaceDataset) -> None:
    """Whom a row shows, where the data says so."""
    assert set(subjects_of(noise)) == {UNKNOWN, "ada", "bo"}
    with pytest.raises(DataError, match="--groups FILE"):
        subjects_of(dataclasses.replace(noise, subjects=None))


@pytest.mark.parametrize("name", corruptions())
def test_corruption_contract(name: str) -> None:
    """Every way keeps shape and type, leaves its input alone, is seeded, and does more at each strength."""
    corruption = corruptions()[name]
    y, x = np.mgrid[0:48, 0:48]
    crops = np.repeat((120 + 60 * np.sin(x / 3) * np.cos(y / 5)).astype(np.uint8)[None], 6, axis=0)
    before = crops.copy()
    change = 0.0
    for strength in corruption.strengths:
        done, again = (corruption.apply(crops, strength, np.random.default_rng(1)) for _ in range(2))
        assert done.dtype == np.uint8
        assert done.shape == crops.shape
        np.testing.assert_array_equal(done, again)
        np.testing.assert_array_equal(crops, before)
        grown = float(np.abs(done.astype(float) - crops).mean())
        assert grown > change
        change = grown
        assert corruption.describe(strength)


def test_corruptions_by_hand() -> None:
    """A hidden quarter is black over a quarter of the crop; less light leaves less of it; names are unique."""
    crops = np.full((20, 48, 48), 200, dtype=np.uint8)
    hidden = corruptions()["partly hidden"].apply(crops, 0.25, np.random.default_rng(0))
    assert ((hidden == 0).mean(axis=(1, 2)) == 0.25).all()
    assert len({tuple(np.argwhere(crop == 0)[0]) for crop in hidden}) > 5
    dark = corruptions()["dark"].apply(crops, 0.2, np.random.default_rng(0))
    assert dark.mean() == pytest.approx(40, abs=0.2)  # a fifth of 200; the noise of 46,080 pixels is 0.015
    mouth = corruptions()["mouth hidden"].apply(crops, 1.0, np.random.default_rng(0))
    assert (mouth[:, 29:] == 0).all()
    assert (mouth[:, :29] == 200).all()
    with pytest.raises(ValueError, match="registered already"):
        register_corruption(Corruption("dark", "{}", (1.0,), lambda crops, strength, generator: crops))


def test_corrupted_figures(classifier: Classifier, noise: FaceDataset) -> None:
    """The first entry is the rows as they are; one way alone gives what it gives among all."""
    answers = answer([classifier], noise, split="PublicTest")
    predict_all = predictor([classifier], answers.taxonomy)
    entries = evaluate_corrupted(answers, predict_all, chosen=["noisy", "turned"], seed=3)
    assert [entry["corruption"] for entry in entries] == ["none", *["noisy"] * 2, *["turned"] * 3]
    assert entries[0]["accuracy"] == answers.figures()["accuracy"]
    alone = evaluate_corrupted(answers, predict_all, chosen=["turned"], seed=3)
    assert alone[1:] == entries[3:]
    with pytest.raises(ConfigError, match="did you mean 'turned'"):
        evaluate_corrupted(answers, predict_all, chosen=["turnd"])


def test_measure_is_whole_and_ready_for_json() -> None:
    """Everything asked for is in the JSON, finite, and the protocol's keys stand at its top."""
    answers = by_hand()
    evaluation = measure(answers, against=answers, groups=np.array(["a", "b"] * 5))
    values = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    assert {"accuracy", "balanced_accuracy", "macro_f1", "ece", "brier", "nll", "n", "confusion", "labels"} <= set(
        values
    )
    assert {"most_confused", "deduplicated", "parameters", "views", "per_class", "aurc"} <= set(values)
    assert values["intervals"]["accuracy"][0] <= values["accuracy"] == 0.5
    assert set(values["per_class"]["sad"]) == {"precision", "recall", "f1", "n", "intervals"}
    assert values["comparison"]["first"] == "hand@1 (first)"
    assert values["comparison"]["p_value"] == 1.0
    assert [loss["row"] for loss in values["top_losses"]] == [9, 6, 5, 3]
    assert len(values["groups"]) == 2


def test_command_line(capsys: pytest.CaptureFixture[str], noise: FaceDataset, tmp_path: Path) -> None:
    """The page, its plots and figures.json are written; what is printed as JSON is the same data."""
    pytest.importorskip("matplotlib")
    data = write_csv(noise, tmp_path / "noise.csv")
    groups = tmp_path / "groups.csv"
    groups.write_text("who\n" + "a\nb\n" * 30)
    out = tmp_path / "out"
    options = ["--data", str(data), "--groups", str(groups), "--against", "small", "--format", "json"]
    assert main(["evaluate", "small", *options, "--order", "alphabetical", "--out", str(out)]) == 0
    printed, said = capsys.readouterr()
    assert f"unmask: {out / 'evaluation.html'}" in said
    assert json.loads(printed) == json.loads((out / "figures.json").read_text())
    assert json.loads(printed)["labels"][4] == "neutral"
    plots = {f"{name}.{kind}" for name in ("confusion", "reliability", "risk_coverage") for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == plots | {"evaluation.html", "figures.json"}
    page = (out / "evaluation.html").read_text()
    for words in ("Confusion matrix", "Top losses", "Grad-CAM", "McNemar", "2 groups", "bootstrap"):
        assert words in page
    assert page.count('src="data:image/png') == 24  # the top losses


def test_command_line_without_matplotlib(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that could not be drawn is refused before anything is loaded or measured."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["evaluate", "small", "--data", "none.csv", "--out", str(tmp_path / "out")]) == 2
    assert "pip install 'unmask[plots]'" in capsys.readouterr().err


def test_command_line_keeps_its_figures(capsys: pytest.CaptureFixture[str], noise: FaceDataset, tmp_path: Path) -> None:
    """What was measured is printed, even where the page cannot be written."""
    pytest.importorskip("matplotlib")
    data = write_csv(noise, tmp_path / "noise.csv")
    page = tmp_path / "out" / "evaluation.html"
    page.mkdir(parents=True)
    assert main(["evaluate", "small", "--data", str(data), "--out", str(page.parent)]) == 1
    printed, said = capsys.readouterr()
    assert "all rows" in printed
    assert "cannot be written" in said


def test_command_line_shows_no_empty_figures(
    capsys: pytest.CaptureFixture[str], noise: FaceDataset, tmp_path: Path
) -> None:
    """A class without rows has no recall, and Training no figures without itself; JSON keeps its form."""
    data = str(write_csv(dataclasses.replace(noise, labels=noise.labels % 3), tmp_path / "noise.csv"))
    assert main(["evaluate", "small", "--data", data]) == 0
    printed = capsys.readouterr().out
    assert "without copies of Training  n     38" in printed
    recalls = {line.split()[0]: line.split()[-1] for line in printed.splitlines() if len(line.split()) == 9}
    assert recalls["happy"] == "-"
    assert recalls["angry"] != "-"
    assert main(["evaluate", "small", "--data", data, "--split", "Training"]) == 0
    assert "without copies" not in capsys.readouterr().out
    assert main(["evaluate", "small", "--data", data, "--split", "Training", "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["deduplicated"]["n"] == figures["n"] == 20
    assert figures["per_class"]["happy"]["recall"] == 0


def test_command_line_measures_a_split_file(
    capsys: pytest.CaptureFixture[str], noise: FaceDataset, tmp_path: Path
) -> None:
    """A fold of a split file is measured on; rows left out are listed and counted in the exit code."""
    data = write_csv(noise, tmp_path / "noise.csv")
    with open(data, "a") as file:
        file.write("0,1 2 3,Training\n")
    folds = tmp_path / "folds.json"
    assert (
        main(["data", "split", str(data), "--skip-bad", "--method", "kfold", "--folds", "3", "--out", str(folds)]) == 1
    )
    reading = ["--data", str(data), "--skip-bad", "--split-file", str(folds), "--fold", "2", "--split", "Validation"]
    capsys.readouterr()
    assert main(["evaluate", "small", *reading, "--format", "json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["n"] == 20
    assert "unmask: 1 row left out of " in printed.err


def test_command_line_prints_everything(capsys: pytest.CaptureFixture[str], noise: FaceDataset, tmp_path: Path) -> None:
    """Text names comparison, groups and damaged crops; wrong use is refused before anything is loaded."""
    data = str(write_csv(noise.select(np.arange(18, 26)), tmp_path / "noise.csv"))
    assert main(["evaluate", "small", "--data", data, "--corruptions", "--against", "small", "--views", "10"]) == 0
    printed = capsys.readouterr().out
    for words in ("10 views", "95 % interval", "McNemar", "small: 16 px wide", "most confused"):
        assert words in printed
    assert main(["evaluate", "small", "--data", data, "--by-subject"]) == 1
    assert main(["evaluate", "small", "--data", data, "--split", "Test"]) == 2
    assert main(["evaluate", "small", "--data", "x.csv", "--group-column", "a"]) == 2
    assert main(["evaluate", "small", "--data", "x.csv", "--groups", "a.csv", "--by-subject"]) == 2
    assert main(["evaluate", "small", "--data", "x.csv", "--corruptions", "smal"]) == 2
    error = capsys.readouterr().err
    assert "does not say whom its rows show" in error
    assert "leave one out" in error
    assert "known: PublicTest, Training" in error
    assert "did you mean 'small'" in error


@pytest.mark.data
@pytest.mark.slow
def test_the_figures_of_the_card(classifier: Classifier, data_folder: Path) -> None:
    """Measured again on PublicTest, the model in the package has the figures that its card says, copies apart too."""
    stored = np.load(data_folder / "fer2013" / "fer2013_development.npz")
    splits = np.array(["Training", "PublicTest"])[stored["usage"]]
    dataset = FaceDataset("FER2013", stored["pixels"], stored["emotion"].astype(np.int64), FER2013, splits, "0" * 64)
    figures = answer([classifier], dataset, split="PublicTest").figures()
    card = classifier.card.metrics["FER2013 PublicTest"]
    # A row whose two best answers are nearly equal may turn with another processor's rounding.
    assert figures["accuracy"] == pytest.approx(card["accuracy"], abs=2 / 3589)
    assert figures["deduplicated"]["n"] == card["deduplicated"]["n"]
    assert figures["ece"] == pytest.approx(card["ece"], abs=1e-3)
    assert figures["macro_f1"] == pytest.approx(card["macro_f1"], abs=1e-3)


def test_models_of_different_crops_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is known before the data is read, which would take one size for both."""
    onnx = pytest.importorskip("onnx")
    shutil.copytree(bundled_models()["nano"], tmp_path / "wide")
    card = json.loads((tmp_path / "wide" / "model.json").read_text())
    (tmp_path / "wide" / "model.json").write_text(json.dumps({**card, "name": "wide", "input_size": 64}))
    graph = onnx.load(tmp_path / "wide" / "model.onnx")
    for side in graph.graph.input[0].type.tensor_type.shape.dim[1:]:
        side.dim_value = 64
    onnx.save(graph, tmp_path / "wide" / "model.onnx")
    assert main(["evaluate", "small", "--data", "none.csv", "--against", str(tmp_path / "wide")]) == 2
    assert re.search(r"takes crops of 48 pixels and wide@\S+ of 64; measure them one by one", capsys.readouterr().err)
