"""Training: the loop learns, stops, goes on exactly, and ends in a model file that reads."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from tiny_run import TINY

from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, DataError, InputError, LimitError, ModelError, UnmaskError
from unmask.expressions import FERPLUS
from unmask.models import Classifier, load_model
from unmask.networks import build_network
from unmask.training.checkpoint import load_checkpoint, save_checkpoint
from unmask.training.config import TrainConfig, load_config
from unmask.training.finish import finish, lacks
from unmask.training.fit import Trainer
from unmask.training.folds import judge
from unmask.training.parallel import Parallel
from unmask.training.schedules import cosine
from unmask.training.targets import make_targets, soft_cross_entropy, training_rows
from unmask.training.typed import read_table


def weights(trainer: Trainer) -> dict[str, Any]:
    """Every number of the averaged network."""
    return {name: value.clone() for name, value in trainer.average.state_dict().items()}


def test_learns_calibrates_exports_and_reads(bars: FaceDataset, tmp_path: Path) -> None:
    """A run on an easy task ends in a model file that solves it through ONNX Runtime, and whose card is true."""
    trainer = Trainer(dataclasses.replace(TINY, epochs=12), bars, tmp_path)
    trainer.fit()
    card = finish(trainer, bars, tmp_path / "model")
    assert trainer.history_[-1]["train_loss"] < trainer.history_[0]["train_loss"]
    assert load_model(tmp_path / "model").card == dataclasses.replace(
        card, training=json.loads(json.dumps(card.training)), metrics=json.loads(json.dumps(card.metrics))
    )
    figures = card.metrics["bars PublicTest"]
    assert figures["accuracy"] > 0.95
    assert (figures["n"], figures["deduplicated"]["n"]) == (60, 50)
    assert card.parameters == sum(p.numel() for p in trainer.network.parameters())

    classifier = Classifier.load(tmp_path / "model")
    crops = bars.images[:16]
    with torch.no_grad():
        expected = trainer.average.module.eval()(torch.from_numpy(crops).unsqueeze(1).float())
    for head, logits in expected.items():
        # The stored weights are rounded to half precision: about three digits.
        np.testing.assert_allclose(classifier.logits(crops, head=head), logits.numpy(), atol=2e-2)


def test_resume_is_exact(bars: FaceDataset, tmp_path: Path) -> None:
    """A run that is stopped in its third epoch and resumed ends with the same weights, bit for bit, and history."""
    whole = Trainer(TINY, bars, tmp_path / "whole")
    whole.fit()

    class Stop(Exception):
        pass

    def stop(event: str, record: dict[str, Any]) -> None:
        if event == "batch" and record["epoch"] == 3 and record["batch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        Trainer(TINY, bars, tmp_path / "broken").fit(notify=stop)
    resumed = Trainer(TINY, bars, tmp_path / "broken")
    resumed.fit(resume=True)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name
    untimed = [[{k: v for k, v in r.items() if k != "seconds"} for r in t.history_] for t in (whole, resumed)]
    assert untimed[0] == untimed[1]


def test_crops_must_be_square(bars: FaceDataset, tmp_path: Path) -> None:
    """Before anything is learned."""
    with pytest.raises(DataError, match=r"crops \(40, 48\) are not square; make them so with --size"):
        Trainer(TINY, dataclasses.replace(bars, images=bars.images[:, :40]), tmp_path)


def test_resume_refuses_another_configuration(bars: FaceDataset, tmp_path: Path) -> None:
    """A checkpoint is not continued under other settings; the message names them."""
    Trainer(dataclasses.replace(TINY, epochs=1), bars, tmp_path).fit()
    other = Trainer(dataclasses.replace(TINY, epochs=1, seed=5), bars, tmp_path)
    with pytest.raises(ConfigError, match="seed"):
        other.fit(resume=True)


def test_resume_refuses_other_data(bars: FaceDataset, tmp_path: Path) -> None:
    """A checkpoint is not continued on rows that are split or labelled otherwise."""
    Trainer(dataclasses.replace(TINY, epochs=1), bars, tmp_path).fit()
    relabelled = dataclasses.replace(bars, labels=np.roll(bars.labels, 1))
    with pytest.raises(ConfigError, match="other data, labels or splits"):
        Trainer(dataclasses.replace(TINY, epochs=1), relabelled, tmp_path).fit(resume=True)


def test_damaged_checkpoint(bars: FaceDataset, tmp_path: Path) -> None:
    """A checkpoint that is none is refused with the next step."""
    (tmp_path / "checkpoint.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="start the run anew"):
        Trainer(TINY, bars, tmp_path).fit(resume=True)


def test_a_checkpoint_is_not_kept_open(tmp_path: Path) -> None:
    """What was read does not change with the file, which can be replaced while its tensors are in use."""
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(5000)}, {"b": 1})
    tensors, state = load_checkpoint(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))
    assert state == {"b": 1}
    assert torch.equal(tensors["a"], torch.ones(5000))


def test_no_run_goes_beyond_its_end(bars: FaceDataset, tmp_path: Path) -> None:
    """After the last epoch the schedule has no more rates."""
    trainer = Trainer(dataclasses.replace(TINY, epochs=1), bars, tmp_path)
    trainer.fit(until=3)
    assert len(trainer.history_) == 1


def test_what_cannot_be_trained_is_refused_first(bars: FaceDataset, tmp_path: Path) -> None:
    """Batches with less than two rows a process, a single row, and pictures that no model takes."""
    with pytest.raises(ConfigError, match=r"batch_size = 3: 2 processes share it.* set it to 4 or more"):
        Trainer(dataclasses.replace(TINY, batch_size=3), bars, tmp_path, parallel=Parallel(0, 2))
    with pytest.raises(DataError, match="bars: 1 usable rows of 'Training'"):
        Trainer(TINY, bars.select(np.arange(20, 21)), tmp_path)
    with pytest.raises(DataError, match="bars: expected an input of 8 to 1024 pixels, got 6"):
        Trainer(TINY, dataclasses.replace(bars, images=bars.images[:, 21:27, 21:27]), tmp_path)


def test_a_head_without_held_out_labels_stays_as_it_is(bars: FaceDataset, tmp_path: Path) -> None:
    """The other heads are calibrated all the same."""
    trainer = Trainer(dataclasses.replace(TINY, epochs=1), bars, tmp_path)
    trainer.fit()
    trainer.held_rows = dataclasses.replace(trainer.held_rows, labels=np.full(len(trainer.held_rows), -1))
    card = finish(trainer, bars, tmp_path / "model")
    assert [head.name for head in card.heads] == ["ferplus", "fer2013"]
    assert card.head("ferplus").temperature != 1
    assert card.head("fer2013").temperature == 1


def test_loss_that_is_not_finite(bars: FaceDataset, tmp_path: Path) -> None:
    """A run whose loss explodes ends with an error that names the epoch, and its last good checkpoint stays."""
    trainer = Trainer(TINY, bars, tmp_path)

    def poison(event: str, record: dict[str, Any]) -> None:
        if event == "epoch":
            next(trainer.network.parameters()).data.fill_(float("nan"))

    with pytest.raises(UnmaskError, match="epoch 2, batch 1"):
        trainer.fit(notify=poison)
    assert len(Trainer(dataclasses.replace(TINY), bars, tmp_path).fit(resume=True).state_dict()) > 0


def test_checkpoint_on_a_full_disk(bars: FaceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails the old checkpoint stays, no torn file is left, and the message says what to do."""
    trainer = Trainer(dataclasses.replace(TINY, epochs=2), bars, tmp_path)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    def fill(event: str, record: dict[str, Any]) -> None:
        if event == "epoch":
            monkeypatch.setattr("unmask.training.checkpoint.save_file", full)

    with pytest.raises(InputError, match="free some space"):
        trainer.fit(notify=fill)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".training.lock",
        "checkpoint.safetensors",
        "config.json",
        "history.json",
    }


def test_resume_keeps_the_memory_format(bars: FaceDataset, tmp_path: Path) -> None:
    """With channels last too, where moments lie in memory as the weights do, a resumed run ends as an unbroken one."""
    wide = {"widths": [16, 16], "blocks": [1, 1]}
    config = dataclasses.replace(TINY, epochs=2, precision="bf16", memory_format="channels_last", arguments=wide)
    whole = Trainer(config, bars, tmp_path / "whole")
    whole.fit()
    Trainer(config, bars, tmp_path / "broken").fit(until=1)
    resumed = Trainer(config, bars, tmp_path / "broken")
    resumed.fit(resume=True)
    assert [name for name, value in weights(whole).items() if not torch.equal(value, weights(resumed)[name])] == []


def test_a_run_on_labels_of_ferplus_without_votes(bars: FaceDataset, tmp_path: Path) -> None:
    """Labels in FER+'s taxonomy, as AffectNet's are, teach its head; the model is calibrated and measured on them."""
    named = [FERPLUS.code(label) for label in bars.taxonomy.labels]
    labels = np.array(named)[bars.labels]
    affect = dataclasses.replace(bars, taxonomy=FERPLUS, labels=labels, votes=None)
    trainer = Trainer(dataclasses.replace(TINY, epochs=2, heads={"ferplus": 1.0}), affect, tmp_path)
    trainer.fit()
    card = finish(trainer, affect, tmp_path / "model")
    assert card.heads[0].temperature != 1
    assert card.metrics["bars PublicTest"]["n"] == 60


def test_the_history_is_there_after_each_epoch(bars: FaceDataset, tmp_path: Path) -> None:
    """Whatever ends a run, what it has learned so far can be read beside the checkpoint."""
    Trainer(TINY, bars, tmp_path).fit(until=1)
    history = json.loads((tmp_path / "history.json").read_text())
    assert [record["epoch"] for record in history] == [1]
    assert len(history[0]["batch_losses"]) > 1


def test_two_processes_do_not_train_in_one_folder(bars: FaceDataset, tmp_path: Path) -> None:
    """A second run in a folder is refused while the first goes on, which is not disturbed; afterwards it may begin."""
    config = dataclasses.replace(TINY, epochs=2, warmup_epochs=1)

    def second(event: str, record: dict[str, Any]) -> None:
        if event == "epoch":
            with pytest.raises(InputError, match="another process trains there"):
                Trainer(config, bars, tmp_path).fit()

    Trainer(config, bars, tmp_path).fit(notify=second)
    third = Trainer(config, bars, tmp_path)
    third.fit(resume=True)
    assert len(third.history_) == 2


def test_training_rows_leave_out_copies_and_the_faceless(bars: FaceDataset) -> None:
    """Copies of PublicTest's images and rows without a vote for an expression are left out; no row is in both parts."""
    assert bars.votes is not None
    votes = bars.votes.copy()
    votes[20] = [0] * 9 + [10]
    training, held = training_rows(dataclasses.replace(bars, votes=votes), holdout=0.2, seed=0)
    assert len(training) + len(held) == 240 - 10 - 1
    assert len(held) == pytest.approx(0.2 * 229, abs=3)
    both = {image.tobytes() for image in training.images} & {image.tobytes() for image in held.images}
    assert not both


def test_a_subject_is_on_one_side(bars: FaceDataset, tmp_path: Path) -> None:
    """All rows of a subject are learned from, or held out, or in one fold; without subjects the copies alone count."""
    subjects = np.array([f"s{row % 60}" for row in range(len(bars))])
    known = dataclasses.replace(bars, subjects=subjects)
    training, held = training_rows(known, holdout=0.2, seed=0)
    assert training.subjects is not None
    assert held.subjects is not None
    assert len(held) > 20
    assert not set(training.subjects) & set(held.subjects)
    parts: list[set[str]] = []

    class Parted(Exception):
        pass

    def train(config: TrainConfig, parted: FaceDataset, name: str) -> Path:
        assert parted.subjects is not None
        parts.extend(set(parted.subjects[parted.splits == split]) for split in ("Training", "Validation"))
        raise Parted

    with pytest.raises(Parted):
        judge(known.split("Training"), TINY, folds=3, train=train)
    assert not parts[0] & parts[1]
    one = dataclasses.replace(bars, subjects=np.full(len(bars), "one"))
    assert "set holdout above 0.2; copies and rows of a subject" in lacks(Trainer(TINY, one, tmp_path), one)[0]
    with pytest.raises(DataError, match="too few images or subjects for 3 folds"):
        judge(one, TINY, folds=3, train=train)
    unknown = [part.images for part in training_rows(bars, holdout=0.2, seed=0)]
    empty = [
        part.images for part in training_rows(dataclasses.replace(bars, subjects=np.full(300, "")), holdout=0.2, seed=0)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(unknown, empty, strict=True))


def test_soft_targets(bars: FaceDataset) -> None:
    """Votes become shares; labels become one-hot rows smoothed evenly."""
    targets = make_targets(bars, ["ferplus", "fer2013"], label_smoothing=0.7)
    assert targets.shares["ferplus"][0].tolist() == [0, bars.labels[0] == 3, 0, bars.labels[0] == 4, 0, 0, 0, 0]
    assert targets.shares["fer2013"][0, bars.labels[0]].item() == pytest.approx(0.4)
    assert targets.shares["fer2013"].sum(dim=1).allclose(torch.ones(300))


def test_soft_cross_entropy_by_hand() -> None:
    """Two rows of weights 3 and 1 with even logits: ln 2 each, whatever the targets."""
    loss = soft_cross_entropy(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([3.0, 1.0]))
    assert loss.item() == pytest.approx(np.log(2))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_configuration_has_an_end() -> None:
    """A device that never ends is refused instead of read."""
    with pytest.raises(LimitError, match="/dev/zero: more than 1,048,576 characters"):
        read_table("/dev/zero")


def test_schedule() -> None:
    """Up in a line, down in half a cosine, 0 at the end."""
    rates = [cosine(step, 100, 10) for step in range(101)]
    assert rates[4] == 0.5
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "did you mean 'epochs'"),
        ("epochs = 1.5", "expected int"),
        ('name="a"\nversion="1"\nnetwork="resnet"\nepochs = 0', "epochs = 0: expected 1 or more"),
        (
            'name="a"\nversion="1"\nnetwork="resnet"\nepochs = 1',
            "warmup_epochs = 3: .* run's epochs, 1; set epochs and warmup_epochs",
        ),
        ('network = "resnet"\naugmentation = {spin = 3}', "spin"),
        ("augmentation = 3", "expected a table"),
        (
            'name="a"\nversion="1"\nnetwork="resnet"\nheads = {fer2013 = "high"}',
            "heads.fer2013 = 'high': expected float",
        ),
        ("name = ", "not TOML"),
        ('name="My Model"\nversion="1"\nnetwork="resnet"', "name = 'My Model': expected small letters"),
        (
            'name="a"\nversion="1"\nnetwork="resnet"\narguments = {heads = 3}',
            "arguments = .* expected neither name nor heads",
        ),
        ("", "missing: name, version, network"),
        ('name="a"\nversion="1"\nnetwork="resnet"\nprecision="fp8"', "precision"),
    ],
)
def test_recipe_is_checked(tmp_path: Path, text: str, words: str) -> None:
    """An unknown key, a wrong type, a wrong value: each is refused by name."""
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(path)


def test_overrides(tmp_path: Path) -> None:
    """--set reaches into tables, reads TOML values and takes bare words for text."""
    path = tmp_path / "recipe.toml"
    path.write_text('name = "a"\nversion = "1"\nnetwork = "resnet"')
    config = load_config(path, ["augmentation.flip=0", "epochs=7", "precision=fp32", "arguments.widths=[4, 8]"])
    assert (config.augmentation.flip, config.epochs, config.precision) == (0.0, 7, "fp32")
    assert config.arguments == {"widths": [4, 8]}
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        load_config(path, ["epochs"])


def test_every_recipe_in_the_repository_builds_its_network() -> None:
    """The committed recipes are valid, and their networks keep to the limit of 25 million parameters."""
    files = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))
    recipes = [path for path in files if "network" in tomllib.loads(path.read_text(encoding="utf-8"))]
    assert recipes
    for path in recipes:
        config = load_config(path)
        network = build_network(config.network, heads={"ferplus": 8}, **config.network_arguments)
        assert sum(p.numel() for p in network.parameters()) <= 25_000_000
