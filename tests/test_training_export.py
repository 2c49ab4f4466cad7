"""From PyTorch to ONNX Runtime: equal outputs for every network, weights that come back, and int8."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

import onnx
from data_sets import make_bars
from tiny_run import TINY

from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, DataError, InputError, ModelError
from unmask.expressions import FER2013
from unmask.models import Classifier, Head, ModelCard, ModelFile, Thresholds, bundled_models, load_model, save_archive
from unmask.models.document import card_markdown
from unmask.models.graph import count_macs
from unmask.networks import FaceNetwork, build_network, network_names
from unmask.networks.weights import load_weights
from unmask.training.augment import Augmentation
from unmask.training.config import TrainConfig
from unmask.training.export import to_onnx, write_model
from unmask.training.finish import calibrate, finish, finish_int8, lacks
from unmask.training.fit import Trainer
from unmask.training.folds import judge
from unmask.training.quantise import quantise
from unmask.training.trained import abstention, told_once, trained_network

QUICK = ("repvgg",)
CARD = ModelCard("tiny", "1", (Head("fer2013", FER2013),), 48, 1, 1, "MIT", "0")


def crops(count: int = 5) -> np.ndarray:
    """Random crops ``uint8 (count, 48, 48)``."""
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def lived_in(network: FaceNetwork) -> FaceNetwork:
    """The network after a few batches in training mode, so that its norms have statistics; in evaluation mode."""
    torch.manual_seed(0)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randint(0, 256, (8, 1, 48, 48)).float())
    return network.eval()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in network_names()]
)
def test_onnx_equals_pytorch(name: str) -> None:
    """Every registered network: the same logits to 1e-4, for any batch; the network itself is left as it was."""
    compare(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "mobilenet_v2"])
def test_onnx_equals_pytorch_enlarged(name: str) -> None:
    """The same for networks that enlarge their input."""
    compare(name, size=64)


def compare(name: str, *, size: int = 0) -> None:
    """Assert that PyTorch and ONNX Runtime agree on a network, and that exporting changes nothing in it."""
    network = lived_in(build_network(name, heads={"fer2013": 7}, size=size))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    graph = to_onnx(network, ["fer2013"], 48)
    assert list(before) == list(network.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    classifier = Classifier(ModelFile(CARD, graph.SerializeToString()))
    images = crops()
    with torch.no_grad():
        expected = network(torch.from_numpy(images).unsqueeze(1).float())["fer2013"].numpy()
    np.testing.assert_allclose(classifier.logits(images, batch=5), expected, atol=1e-4, rtol=0)
    np.testing.assert_allclose(classifier.logits(images, batch=2), expected, atol=1e-4, rtol=0)
    assert not network.training
    if name == "repvgg":
        kinds = [node.op_type for node in graph.graph.node]
        assert kinds.count("Conv") == 8  # one a block: the branches are fused


def lived_in_graph(name: str, folder: Path, **arguments: Any) -> tuple[FaceNetwork, Path]:
    """A network with statistics, and its graph as the file of a model folder."""
    network = build_network(name, heads={"fer2013": 7}, **arguments)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # equal tensors, such as those that begin as 0, share one name
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias)
    lived_in(network)
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(to_onnx(network, ["fer2013"], 48).SerializeToString())
    return network, folder


@pytest.mark.parametrize("name", ["resnet", "inverted"])
def test_weights_from_a_graph(name: str, tmp_path: Path) -> None:
    """A model's graph fills its network again, with norms that learn: the same logits, before and after settling."""
    trained, folder = lived_in_graph(name, tmp_path / name)
    again = build_network(name, heads={"fer2013": 7}).eval()
    loaded = load_weights(again, folder)
    assert not loaded.fresh
    assert {name.rpartition(".")[0] for name in loaded.folded} == {
        name for name, module in again.named_modules() if isinstance(module, torch.nn.BatchNorm2d)
    }
    pixels = torch.from_numpy(crops()).unsqueeze(1).float()
    with torch.no_grad():
        expected = trained(pixels)["fer2013"]
        torch.testing.assert_close(again(pixels)["fer2013"], expected, atol=1e-4, rtol=1e-4)
        again.settle(loaded.unsettled, pixels)
        torch.testing.assert_close(again(pixels)["fer2013"], expected, atol=1e-4, rtol=1e-4)
    norms = [module for module in again.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(norm.running_mean is not None and norm.running_mean.abs().sum() > 0 for norm in norms)


def test_graphs_that_give_no_weights(tmp_path: Path) -> None:
    """Branches made one, another network and a torn file are refused, and say why; other heads begin anew."""
    _, folder = lived_in_graph("repvgg", tmp_path / "fused")
    with pytest.raises(ModelError, match=r"the graph does not hold the network as it is trained .* folder of a run"):
        load_weights(build_network("repvgg", heads={"fer2013": 7}), folder)
    _, folder = lived_in_graph("resnet", tmp_path / "other", widths=[8, 8], blocks=[1, 1])
    with pytest.raises(ModelError, match="does not hold the network"):
        load_weights(build_network("inverted", heads={"fer2013": 7}), folder)
    with pytest.raises(ModelError, match=r"the network has \(16, 1, 3, 3\), the file \(8, 1, 3, 3\)"):
        load_weights(build_network("resnet", heads={"fer2013": 7}, widths=[16, 16], blocks=[1, 1]), folder)
    loaded = load_weights(build_network("resnet", heads={"ferplus": 8}, widths=[8, 8], blocks=[1, 1]), folder)
    assert loaded.fresh == ("heads.ferplus.weight", "heads.ferplus.bias")
    (folder / "model.onnx").write_bytes(b"torn")
    with pytest.raises(ModelError, match="the graph cannot be read"):
        load_weights(build_network("resnet", heads={"fer2013": 7}), folder)


def test_a_model_of_other_widths_names_its_own(tmp_path: Path) -> None:
    """The card beside a graph, or in its archive, tells what the recipe must have, and which tensors differ."""
    save_archive(bundled_models()["small"], tmp_path / "small.unmask")
    for source in ("small", tmp_path / "small.unmask"):
        with pytest.raises(
            ModelError, match=r"'small' is the network resnet with widths = \[32, 48, 96, 128\], .* so"
        ) as caught:
            load_weights(build_network("resnet", heads={"fer2013": 7}), source)
        assert "stages.0.conv1.weight: the network has (32, 32, 3, 3), the file (48, 32, 3, 3)" in str(caught.value)
        with pytest.raises(ModelError, match=r"'small' is the network resnet with .*\n  .*: not in the file"):
            load_weights(build_network("study", heads={"fer2013": 7}), source)


def test_starting_from_an_archive(trained: tuple[Trainer, FaceDataset, Path], tmp_path: Path) -> None:
    """An archive gives what its folder gives: the weights as they were trained, or else the graph's."""
    _, _, folder = trained
    for model in (folder / "model", bundled_models()["nano"]):
        save_archive(model, tmp_path / "m.unmask")
        card = load_model(model).card
        packed, plain = (build_network(card.network, heads={"fer2013": 7}, **card.arguments) for _ in range(2))
        assert load_weights(packed, tmp_path / "m.unmask").taken == load_weights(plain, model).taken
        assert all(torch.equal(value, plain.state_dict()[name]) for name, value in packed.state_dict().items())


@pytest.mark.parametrize("name", ["nano", "small", "base"])
def test_models_of_the_package_can_be_trained_on(name: str) -> None:
    """Their networks in PyTorch say what their graphs say, by every head."""
    network, model = trained_network(name), Classifier.load(name)
    images = crops()
    with torch.no_grad():
        logits = network(torch.from_numpy(images).unsqueeze(1).float())
    assert len(logits) == len(model.card.heads) == 2
    for head, values in logits.items():
        np.testing.assert_allclose(model.logits(images, head=head), values.numpy(), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_multiply_adds_of_the_studys_network() -> None:
    """Counted by hand, layer by layer: nine taps, channels in and out, the map's side squared; then the linear ones."""
    convolutions = [(3, 8, 24), (8, 8, 24), (8, 8, 24), (8, 16, 12), (16, 16, 12), (16, 16, 12), (16, 32, 6)]
    convolutions += [(32, 32, 6), (32, 32, 6), (32, 64, 3), (64, 64, 3), (64, 64, 3), (64, 128, 2), (128, 256, 1)]
    expected = sum(9 * a * b * side**2 for a, b, side in convolutions) + 256 * 128 + 128 * 7
    graph = to_onnx(build_network("study", heads={"fer2013": 7}), ["fer2013"], 48)
    assert count_macs(graph.SerializeToString()) == expected
    assert expected == 3_899_776  # two operations each: the 7.8 million of its forward pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, FaceDataset, Path]:
    """A short run of a re-parameterisable network on the easy task, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    config = TrainConfig(
        name="tiny",
        version="0",
        network="repvgg",
        arguments={"widths": [8, 16], "blocks": [1, 2]},
        heads={"fer2013": 1.0},
        epochs=10,
        warmup_epochs=1,
        batch_size=32,
        learning_rate=0.01,
        ema_decay=0.8,
        holdout=0.2,
        precision="fp32",
        storage="fp32",
        augmentation=Augmentation(rotation=0, zoom=0, shift=0, erase=0),
    )
    data = make_bars()
    trainer = Trainer(config, data, folder)
    trainer.fit()
    finish(trainer, data, folder / "model")
    return trainer, data, folder


def test_saved_weights_are_the_models(trained: tuple[Trainer, FaceDataset, Path], tmp_path: Path) -> None:
    """A saved model, loaded again in PyTorch and through ONNX Runtime, from a folder or an archive: the same logits."""
    trainer, data, folder = trained
    card = load_model(folder / "model").card
    network = build_network(card.network, heads={"fer2013": 7}, **card.arguments).eval()
    load_weights(network, folder / "model")
    images = data.images[:20]
    with torch.no_grad():
        pixels = torch.from_numpy(images).unsqueeze(1).float()
        again = network(pixels)["fer2013"]
        assert torch.equal(again, trainer.kept(pixels)["fer2013"])
    save_archive(folder / "model", tmp_path / "m.unmask")
    for source in (folder / "model", tmp_path / "m.unmask"):
        np.testing.assert_allclose(Classifier.load(source).logits(images), again.numpy(), atol=1e-4, rtol=0)
    assert card.parameters == sum(p.numel() for p in network.fused().parameters())


def test_what_a_run_lacks(trained: tuple[Trainer, FaceDataset, Path], tmp_path: Path) -> None:
    """Without held-out rows and a measured split, the notes say what to set, and the card what it does not have."""
    trainer, data, _ = trained
    (few,) = lacks(trainer, data)
    assert f"{len(trainer.held_rows)} held-out rows are few" in few
    whole = card_markdown(load_model("small").card)
    config = dataclasses.replace(trainer.config, epochs=2, holdout=0.0, measured_split="Validation")
    poorer = Trainer(config, data, tmp_path)
    calibration, figures = lacks(poorer, data)
    assert "set holdout above 0" in calibration
    assert "no split 'Validation'" in figures
    poorer.fit()
    finish(poorer, data, tmp_path / "model")
    card = (tmp_path / "model" / "CARD.md").read_text()
    for words in ("Not calibrated: the rows held out in training were none", "## Measured\n\nNothing: "):
        assert words in card
        assert words not in whole


def test_too_few_held_out_rows_choose_nothing(bars: FaceDataset, tmp_path: Path) -> None:
    """A temperature fitted to a handful of rows lies at the end of its range: the scores stay as they are."""
    rows = np.flatnonzero(bars.splits == "Training")[:60]
    trainer = Trainer(dataclasses.replace(TINY, epochs=1), bars.select(rows), tmp_path)
    assert 0 < len(trainer.held_rows) < 30
    assert "held-out rows are too few" in lacks(trainer, bars)[0]
    trainer.fit()
    card = finish(trainer, bars, tmp_path / "model")
    assert {head.temperature for head in card.heads} == {1.0}
    assert (card.thresholds.min_confidence, card.thresholds.min_margin) == (0.0, 0.0)
    assert "Not calibrated" in (tmp_path / "model" / "CARD.md").read_text()


def test_answers_that_are_all_right_choose_no_temperature(trained: tuple[Trainer, FaceDataset, Path]) -> None:
    """The lower, the better it would look; it stays 1."""
    trainer, _, folder = trained
    card = load_model(folder / "model").card
    graph = onnx.load(folder / "model" / "model.onnx")
    plain = dataclasses.replace(card, heads=tuple(Head(h.name, h.taxonomy) for h in card.heads))
    classifier = Classifier(ModelFile(plain, graph.SerializeToString()))
    held = trainer.held_rows
    said = classifier.logits(held.images, head="fer2013").argmax(axis=1)
    wrong = np.where(np.arange(len(said)) % 5, said, (said + 1) % 7)
    assert calibrate(plain, graph, dataclasses.replace(held, labels=wrong)).head("fer2013").temperature != 1
    perfect = dataclasses.replace(held, labels=said)
    assert calibrate(plain, graph, perfect).head("fer2013").temperature == 1


def test_a_model_that_knows_the_held_out_rows(bars: FaceDataset, tmp_path: Path) -> None:
    """Whoever starts from a model of other held-out rows, or measures it with other splits, is told."""
    config = dataclasses.replace(TINY, epochs=1)
    trainer = Trainer(config, bars, tmp_path)
    trainer.fit()
    card = finish(trainer, bars, tmp_path / "model")
    again = dataclasses.replace(config, initial=str(tmp_path))
    told = "rest on rows that it knows"
    for changes, word in (({}, ""), ({"seed": 1}, "(seed)"), ({"holdout": 0.3}, "(holdout)")):
        notes = [note for note in lacks(Trainer(dataclasses.replace(again, **changes), bars, tmp_path / "x"), bars)
                 if told in note]  # fmt: skip
        assert bool(notes) == bool(word)
        assert all(word in note for note in notes)
    parted = dataclasses.replace(bars, splits=np.where(np.arange(len(bars)) % 2, "Training", "PublicTest"))
    (note,) = [note for note in lacks(Trainer(again, parted, tmp_path / "y"), parted) if told in note]
    assert "(splits)" in note
    assert not card.learned_otherwise(bars.checksum, bars.division)
    assert card.learned_otherwise(bars.checksum, parted.division)
    with pytest.raises(ConfigError, match="leave it out of initial"):
        judge(bars.split("Training"), again, folds=2, train=lambda *_: tmp_path)


def test_what_was_told_is_not_told_again() -> None:
    """A card names the models behind a model once each, however often they taught."""
    text = "a (from b (from c, d), taught by e (from c)), b (from c, d); e (from c); b (from d), f (open"
    assert told_once(text) == "a (from b (from c, d), taught by e (from c)), b; e; b (from d), f (open)"


def test_thresholds_come_with_the_weights(bars: FaceDataset, tmp_path: Path) -> None:
    """Of size, sharpness and turn, from a model or a run that started from one; a recipe's own come first."""
    small = load_model("small").card.thresholds
    plain = dataclasses.replace(TINY, initial="small")
    gates = abstention(plain)
    assert (gates.min_size, gates.max_yaw, gates.min_confidence) == (small.min_size, small.max_yaw, 0.0)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.replace(plain, thresholds=gates).to_json()))
    assert abstention(dataclasses.replace(TINY, initial=str(tmp_path))) == gates
    assert abstention(dataclasses.replace(plain, thresholds=Thresholds(min_size=7))) == Thresholds(min_size=7)
    assert abstention(dataclasses.replace(TINY, initial="weights.safetensors")) == abstention(TINY) == Thresholds()


def test_int8_is_smaller_and_as_good(trained: tuple[Trainer, FaceDataset, Path]) -> None:
    """The int8 model is a model file of its own, with whole-number weights, its own figures, and the same answers."""
    trainer, data, folder = trained
    card = finish_int8(trainer, data, folder / "model_int8")
    assert card.identity == "tiny-int8@0"
    assert card.metrics["bars PublicTest"]["accuracy"] >= 0.95
    model = load_model(folder / "model_int8")
    assert b"QuantizeLinear" in model.onnx
    fp32, int8 = Classifier.load(folder / "model"), Classifier(model)
    agreed = fp32.probs(data.images).argmax(axis=1) == int8.probs(data.images).argmax(axis=1)
    assert agreed.mean() > 0.97
    with pytest.raises(DataError, match="none"):
        quantise(onnx.load_from_string(fp32.model.onnx), data.images[:0])


def test_a_model_on_a_full_disk(
    trained: tuple[Trainer, FaceDataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the error says so, and a model that was there stays whole."""
    model = load_model(trained[2] / "model")
    graph = onnx.load_from_string(model.onnx)
    write_model(tmp_path / "m", model.card, graph)
    before = (tmp_path / "m" / "model.onnx").read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write_model(tmp_path / "m", model.card, graph)
    monkeypatch.undo()
    assert (tmp_path / "m" / "model.onnx").read_bytes() == before


@pytest.mark.slow
def test_licence_names_where_weights_came_from(trained: tuple[Trainer, FaceDataset, Path], tmp_path: Path) -> None:
    """A model that began with other weights says so in its card and its terms."""
    trainer, data, folder = trained
    config = dataclasses.replace(trainer.config, initial=str(folder / "model"), epochs=2)
    second = Trainer(config, data, tmp_path)
    second.fit()
    card = finish(second, data, tmp_path / "model")
    assert card.training["initial"] == folder.name
    assert f"started from {folder.name}, whose terms apply" in card.licence
