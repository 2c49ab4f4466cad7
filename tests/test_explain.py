"""Looking inside: networks small enough to work out by hand, and the same answers from ONNX and from PyTorch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra 'explain' is not installed")
from onnx import TensorProto, helper, numpy_helper
from test_public import modules_after

from unmask.cli import main
from unmask.errors import ConfigError, DataError, MissingExtraError, ModelError
from unmask.explain import OpenNetwork, explain, grad_cam, heat_methods, main_blocks, occlusion, open_network
from unmask.explain.base import Layer, heat_block, unseen_share
from unmask.explain.drawing import FOR, greys, mosaic, overlay, signed
from unmask.explain.heat import heat_method, register_heat
from unmask.explain.onnx_network import OnnxNetwork
from unmask.explain.page import explanation_page, pictures, write_explanation
from unmask.expressions import Expression, Taxonomy
from unmask.models import Head, ModelCard, ModelFile, bundled_models, softmax

SIDE = 16
TWO = Taxonomy("two", (Expression.SAD, Expression.HAPPY))
HEAD = Head("two", TWO, 2.0)
CARD = ModelCard("tiny", "1", (HEAD,), SIDE, 1, 1, "MIT", "0")


def model(nodes: list[Any], weights: dict[str, np.ndarray]) -> ModelFile:
    """A model file of these nodes, from ``crops`` to ``logits_two``; the first node is given float maps ``pixels``."""
    axes = {"axis1": np.array([1]), "axes23": np.array([2, 3])}
    tensors = [numpy_helper.from_array(value, name) for name, value in {**axes, **weights}.items()]
    ready = [
        helper.make_node("Unsqueeze", ["crops", "axis1"], ["unsqueezed"]),
        helper.make_node("Cast", ["unsqueezed"], ["pixels"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        [*ready, *nodes],
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", SIDE, SIDE])],
        [helper.make_tensor_value_info("logits_two", TensorProto.FLOAT, ["N", 2])],
        tensors,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return ModelFile(CARD, whole.SerializeToString())


def patch_model() -> ModelFile:
    """A model that looks at rows 4 to 7 and columns 8 to 11 alone: their mean, against a constant."""
    mask = np.zeros((1, 1, SIDE, SIDE), dtype=np.float32)
    mask[..., 4:8, 8:12] = 1 / 16
    nodes = [
        helper.make_node("Mul", ["pixels", "mask"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "axes23"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "head.weight", "head.bias"], ["logits_two"], transB=1),
    ]
    weight, bias = np.array([[0.0], [0.02]], np.float32), np.array([1.0, 0.0], np.float32)
    return model(nodes, {"mask": mask, "head.weight": weight, "head.bias": bias})


def weights_of_gap() -> dict[str, np.ndarray]:
    """Of a network of two convolutions, averaging and one linear layer, drawn with a seed."""
    generator = np.random.default_rng(0)
    shapes = {"first.weight": (3, 1, 3, 3), "second.weight": (4, 3, 3, 3), "head.weight": (2, 4)}
    weights = {name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    weights["first.weight"] /= 50  # pixels are large
    return {**weights, "head.bias": np.array([0.1, -0.1], np.float32)}


def gap_model(*, last: str = "ReduceMean") -> ModelFile:
    """That network; with ``ReduceMax`` in the place of averaging it bends."""
    nodes = [
        helper.make_node("Conv", ["pixels", "first.weight"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Conv", ["relu1", "second.weight"], ["conv2"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node(last, ["relu2", "axes23"], ["pooled"], keepdims=0),
        helper.make_node("Gemm", ["pooled", "head.weight", "head.bias"], ["logits_two"], transB=1),
    ]
    return model(nodes, weights_of_gap())


def torch_gap() -> OpenNetwork:
    """The same network on PyTorch, its activation shared and in place, as real ones have it."""
    torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from torch import nn

    from unmask.explain.torch_network import TorchNetwork

    class Gap(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 3, 3, padding=1, bias=False)
            self.second = nn.Conv2d(3, 4, 3, padding=1, stride=2, bias=False)
            self.activation = nn.ReLU(inplace=True)
            self.head = nn.Linear(4, 2)

        def forward(self, pixels: Any) -> dict[str, Any]:
            maps = self.activation(self.second(self.activation(self.first(pixels))))
            return {"two": self.head(maps.mean(dim=(2, 3)))}

    network = Gap()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights_of_gap().items()})
    return TorchNetwork(network, CARD)


def open_gap(engine: str) -> OpenNetwork:
    """The small network by its engine."""
    return OnnxNetwork(gap_model()) if engine == "onnx" else torch_gap()


@pytest.fixture
def crop() -> np.ndarray:
    """Sixteen by sixteen pixels of noise."""
    return np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_layer_table_by_hand(engine: str) -> None:
    """Sizes, parameters and multiply-adds of a network that is small enough to count."""
    table = {layer.name: layer for layer in open_gap(engine).layers}
    assert (table["first"].kind, table["first"].shape) == ("conv 3x3", (3, 16, 16))
    assert (table["first"].parameters, table["first"].macs) == (27, 9 * 3 * 256)
    assert (table["second"].kind, table["second"].shape) == ("conv 3x3 / 2", (4, 8, 8))
    assert (table["second"].parameters, table["second"].macs) == (108, 9 * 3 * 4 * 64)
    assert (table["head"].kind, table["head"].shape) == ("linear", (2,))
    assert (table["head"].parameters, table["head"].macs) == (10, 8)
    assert sum(layer.parameters for layer in table.values()) == 145


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_maps_by_hand(engine: str, crop: np.ndarray) -> None:
    """The first convolution's map is what convolving by hand gives, also where the next layer works in place."""
    maps = open_gap(engine).maps(crop, ["first"])["first"]
    padded = np.pad(crop.astype(np.float64), 1)
    kernel = weights_of_gap()["first.weight"][2, 0]
    for row, column in ((0, 0), (5, 9), (15, 15)):
        expected = (padded[row : row + 3, column : column + 3] * kernel).sum()
        assert maps[2, row, column] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert maps.min() < 0  # before the activation


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_grad_cam_is_the_class_activation_map(engine: str, crop: np.ndarray) -> None:
    """Averaging and one linear layer: the gradient is the head's weight over the number of places."""
    network = open_gap(engine)
    block = heat_block(network.layers)
    maps = network.maps(crop, [block])[block]
    weights = weights_of_gap()["head.weight"]
    assert maps.shape == (4, 8, 8)
    np.testing.assert_allclose(network.channel_gradients(crop, block, HEAD), weights / 64, atol=1e-7)
    cam = np.maximum(np.einsum("kc,chw->khw", weights, maps), 0) / 64
    # Drawn out to twice the size, the pixels around a corner have its value.
    heat = grad_cam(network, crop, HEAD)
    np.testing.assert_allclose(
        heat[:, [0, 0, -1, -1], [0, -1, 0, -1]], cam[:, [0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6
    )


def test_onnx_and_autograd_agree(crop: np.ndarray) -> None:
    """Heat without gradients is autograd's within 1e-5 of its largest value, where averaging and a line follow."""
    expected, given = (grad_cam(open_gap(engine), crop, HEAD) for engine in ("torch", "onnx"))
    assert expected.max() > 0
    np.testing.assert_allclose(given / given.max(), expected / expected.max(), atol=1e-5)


def test_onnx_and_autograd_agree_before_bends(crop: np.ndarray) -> None:
    """From the first map, a convolution and an activation still follow: small steps stay within 2 % of autograd."""
    on_torch, on_onnx = torch_gap(), OnnxNetwork(gap_model())
    expected = on_torch.channel_gradients(crop, "activation", HEAD)
    given = on_onnx.channel_gradients(crop, "relu1", HEAD)
    np.testing.assert_allclose(given, expected, atol=0.02 * np.abs(expected).max())


def test_gradients_where_the_tail_bends(crop: np.ndarray) -> None:
    """The largest value of a map: raising a channel everywhere raises it by as much, so the gradient is the weight."""
    network = OnnxNetwork(gap_model(last="ReduceMax"))
    given = network.channel_gradients(crop, "relu2", HEAD) * 64
    np.testing.assert_allclose(given, weights_of_gap()["head.weight"], atol=1e-3)


def test_gradients_inside_a_residual_block(crop: np.ndarray) -> None:
    """A map that the answer reaches by one way while the crop reaches it by another: the other way is left alone."""
    weights = weights_of_gap()
    inner = np.ascontiguousarray(weights["second.weight"][:3])
    nodes = [
        helper.make_node("Conv", ["pixels", "first.weight"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["conv1", "inner.weight"], ["conv2"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["conv1", "conv2"], ["sum"]),
        helper.make_node("ReduceMean", ["sum", "axes23"], ["pooled"], keepdims=0),
        helper.make_node("Gemm", ["pooled", "three.weight", "head.bias"], ["logits_two"], transB=1),
    ]
    three = np.ascontiguousarray(weights["head.weight"][:, :3])
    network = OnnxNetwork(model(nodes, {**weights, "inner.weight": inner, "three.weight": three}))
    np.testing.assert_allclose(network.channel_gradients(crop, "inner", HEAD), three / 256, atol=1e-7)


def test_gradients_pass_rounding_to_int8(crop: np.ndarray) -> None:
    """In a quantised graph the steps of rounding are passed by, and are no layers."""
    nodes = [
        helper.make_node("Conv", ["pixels", "first.weight"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["conv1", "scale"], ["int8"]),
        helper.make_node("DequantizeLinear", ["int8", "scale"], ["again"]),
        helper.make_node("ReduceMean", ["again", "axes23"], ["pooled"], keepdims=0),
        helper.make_node("Gemm", ["pooled", "three.weight", "head.bias"], ["exact"], transB=1),
        helper.make_node("QuantizeLinear", ["exact", "scale"], ["short"]),
        helper.make_node("DequantizeLinear", ["short", "scale"], ["logits_two"]),
    ]
    weights = weights_of_gap()
    three = np.ascontiguousarray(weights["head.weight"][:, :3])
    network = OnnxNetwork(model(nodes, {**weights, "three.weight": three, "scale": np.array(0.5, np.float32)}))
    np.testing.assert_allclose(network.channel_gradients(crop, "first", HEAD), three / 256, atol=1e-7)
    assert [layer.name for layer in network.layers if layer.is_map][-1] == "first"


@pytest.mark.parametrize("name", heat_methods())
@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_heat_contract(name: str, engine: str, crop: np.ndarray) -> None:
    """Every method on both engines: a finite plane over the crop for every class, the same twice, the crop unharmed."""
    before = crop.copy()
    network = open_gap(engine)
    heat, again = (heat_method(name)(network, crop, HEAD) for _ in range(2))
    assert heat.shape == (2, SIDE, SIDE)
    assert heat.dtype == np.float64
    assert np.isfinite(heat).all()
    assert np.abs(heat).max() > 0
    np.testing.assert_array_equal(heat, again)
    np.testing.assert_array_equal(crop, before)


def test_heat_registry() -> None:
    """A taken name is refused, an unknown one answered with the nearest."""
    with pytest.raises(ValueError, match="registered already"):
        register_heat("occlusion", occlusion)
    with pytest.raises(ConfigError, match="did you mean 'grad-cam'"):
        heat_method("gradcam")


def test_occlusion_by_hand(crop: np.ndarray) -> None:
    """Only covering the patch that the model looks at changes its answer, by what the mean grey changes it."""
    network = OnnxNetwork(patch_model())
    crop[4:8, 8:12] = 250
    heat = occlusion(network, crop, HEAD, patch=4, step=4)
    grey = round(float(crop.mean()))
    open_, covered = (softmax(np.array([1.0, 0.02 * mean]), temperature=2.0) for mean in (250, grey))
    expected = np.zeros((2, SIDE, SIDE))
    expected[:, 4:8, 8:12] = (open_ - covered)[:, None, None]
    np.testing.assert_allclose(heat, expected, atol=1e-6)
    assert heat[1, 5, 9] > 0 > heat[0, 5, 9]


def test_occlusion_covers_every_pixel(crop: np.ndarray) -> None:
    """Patches that do not divide the side reach its edge; a patch that does not fit is refused."""
    network = OnnxNetwork(patch_model())
    assert np.isfinite(occlusion(network, crop, HEAD, patch=5, step=4)).all()
    for patch, step in ((17, 1), (0, 1), (4, 0)):
        with pytest.raises(DataError, match="1 to 16 px"):
            occlusion(network, crop, HEAD, patch=patch, step=step)


def test_a_layer_that_the_answer_does_not_rest_on(crop: np.ndarray) -> None:
    """Names that are no maps are refused with the known ones; a network without maps says what to do."""
    network = OnnxNetwork(gap_model())
    with pytest.raises(ConfigError, match="did you mean 'relu2'"):
        network.maps(crop, ["relu3"])
    with pytest.raises(ConfigError, match="no layer 'head'"):
        network.maps(crop, ["head"])
    with pytest.raises(DataError, match="occlusion"):
        heat_block([Layer("head", "linear", (2,))])
    assert OnnxNetwork(patch_model()).filters().shape == (0, 1, 1, 1)


def test_a_network_without_maps_or_filters_is_explained_all_the_same(crop: np.ndarray) -> None:
    """By occlusion; the page leaves out what there is none of."""
    explanation = explain(OnnxNetwork(patch_model()), crop, methods=["occlusion"], blocks=())
    assert list(explanation.heat) == ["occlusion"]
    assert "filters" not in pictures(explanation)
    text = explanation_page(explanation, source="a.jpg")
    assert "Where the answer comes from" in text
    assert "The first layer" not in text


def test_a_network_that_is_not_registered_is_looked_into_as_onnx(tmp_path: Path) -> None:
    """A model of the user's own network, in another process than the one that trained it."""
    shutil.copytree(bundled_models()["nano"], tmp_path / "mine")
    card = json.loads((tmp_path / "mine" / "model.json").read_text())
    (tmp_path / "mine" / "model.json").write_text(json.dumps({**card, "network": "my_own"}))
    (tmp_path / "mine" / "weights.safetensors").write_bytes(b"weights")
    assert open_network(tmp_path / "mine").engine == "onnx"


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding", "dead"),
    [
        (48, 3, 2, 1, 1, 0),  # an ordinary layer
        (1, 3, 2, 1, 1, 8),  # the study's last convolution: all but the middle
        (2, 3, 2, 1, 1, 5),  # one place, of which the upper and the left taps hang over
        (3, 3, 1, 3, 3, 8),  # taps three apart on a map of three: only the middle ones fall into it
        (1, 1, 1, 1, 0, 0),
    ],
)
def test_unseen_taps_by_hand(size: int, kernel: int, stride: int, dilation: int, padding: int, dead: int) -> None:
    """Taps that only ever meet padding, counted on paper."""
    share = unseen_share((size, size), (kernel, kernel), (stride, stride), (dilation, dilation), (padding,) * 4)
    assert share * kernel**2 == pytest.approx(dead)


def test_main_blocks_by_hand() -> None:
    """The last map of each size, and the finest that a heat map can use."""
    sizes = [(3, 50, 50), (8, 48, 48), (8, 24, 24), (8, 24, 24), (16, 3, 3), (32, 1, 1), (32,)]
    layers = [Layer(str(number), "x", shape, parameters=number) for number, shape in enumerate(sizes)]
    assert main_blocks(layers) == ["1", "3", "4", "5"]
    assert heat_block(layers) == "4"
    assert heat_block(layers, least=20) == "3"
    assert heat_block(layers[5:]) == "5"
    assert main_blocks([*layers, Layer("turned", "transpose", (9, 9, 4), ordered=False)]) == ["1", "3", "4", "5"]


def test_the_model_in_the_package(photo: Path) -> None:
    """Its graph's multiply-adds are its card's, and its maps halve three times."""
    network = open_network("small", engine="onnx")
    assert sum(layer.macs for layer in network.layers) == network.card.macs
    sides = [layer.shape[1] for layer in network.layers if layer.name in main_blocks(network.layers)]
    assert sides == [48, 24, 12, 6]
    assert network.filters().shape[1] == 1


def test_trainable_weights_open_on_torch(tmp_path: Path, crop: np.ndarray) -> None:
    """A folder with weights.safetensors opens on PyTorch, all parameters counted, else on ONNX; misfits are refused."""
    pytest.importorskip("torch")
    from safetensors.torch import save

    from unmask.models import bundled_models
    from unmask.networks import build_network

    folder = tmp_path / "model"
    shutil.copytree(bundled_models()["small"], folder)
    assert open_network(folder).engine == "onnx"
    with pytest.raises(ModelError, match="--engine onnx"):
        open_network(folder, engine="torch")
    card = open_network(folder).card
    network = build_network(
        card.network, heads={head.name: len(head.taxonomy) for head in card.heads}, **card.arguments
    )
    (folder / "weights.safetensors").write_bytes(save(network.state_dict()))
    opened = open_network(folder)
    assert opened.engine == "torch"
    assert open_network(folder, engine="onnx").engine == "onnx"
    assert sum(layer.parameters for layer in opened.layers) == sum(p.numel() for p in network.parameters())
    blocks = main_blocks(opened.layers)
    assert [name for name in blocks if ":" in name] == []  # a block is called by its own name
    face = np.resize(crop, (48, 48))
    assert [opened.maps(face, blocks)[name].shape[1] for name in blocks] == [48, 24, 12, 6]
    (folder / "weights.safetensors").write_bytes(save({"stem.0.weight": network.state_dict()["stem.0.weight"]}))
    with pytest.raises(ModelError, match="does not fit"):
        open_network(folder)
    with pytest.raises(ConfigError, match="onnx, torch"):
        open_network(folder, engine="jax")


def test_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bare install says how to get what is missing."""
    monkeypatch.setitem(sys.modules, "unmask.explain.onnx_network", None)
    with pytest.raises(MissingExtraError, match=r"unmask\[explain\]"):
        open_network("small", engine="onnx")


def test_pictures_by_hand() -> None:
    """White is nothing, colours are for and against; a silent map is black; mosaics are filled rows."""
    np.testing.assert_array_equal(signed(np.array([[0.0, 2.0]]))[0], [[255, 255, 255], FOR])
    np.testing.assert_array_equal(greys(np.array([[1.0, 3.0]])), [[0, 255]])
    assert (greys(np.zeros((2, 2))) == 0).all()
    assert (greys(np.full((2, 2), 7.0)) == 128).all()
    sheet = mosaic([np.zeros((4, 4), np.uint8)] * 24, gap=2, width=64)
    assert sheet.shape == (4 * (8 + 2) - 2, 6 * (8 + 2) - 2)  # four rows of six tiles, each pixel drawn as 2 x 2
    face = np.full((4, 4), 100, np.uint8)
    np.testing.assert_array_equal(overlay(face, np.zeros((4, 4)), scale=1), np.full((4, 4, 3), 100))
    hot = overlay(face, np.eye(4), scale=1)
    assert hot[0, 0, 0] > hot[0, 0, 2]  # orange where the heat is
    assert (hot[0, 1] == 100).all()


def test_explanation(crop: np.ndarray, tmp_path: Path) -> None:
    """Everything about one face as data, a page and pictures; a wrong crop or block is refused."""
    network = OnnxNetwork(gap_model())
    found = explain(network, crop, blocks=["relu1"])
    assert list(found.maps) == ["relu1"]
    assert set(found.heat) == set(heat_methods())
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["answer"] == str(TWO.labels[found.answer])
    assert sum(values["scores"].values()) == pytest.approx(1)
    assert values["blocks"][0]["shape"] == [3, 16, 16]
    found.maps["relu1"][1] = 0
    assert found.silent_channels("relu1") == 1 + (found.maps["relu1"][[0, 2]].max(axis=(1, 2)) == 0).sum()
    page = write_explanation(tmp_path, found, source="<noise>")
    assert {path.name for path in tmp_path.iterdir()} == {
        *("explanation.html", "explanation.json", "face.png", "filters.png", "maps_1_relu1.png"),
        *("heat_grad-cam.png", "heat_occlusion.png"),
    }
    for name in ("maps_2_older.png", "mine.png"):
        (tmp_path / name).write_bytes(b"older")
    write_explanation(tmp_path, found, source="<noise>")
    assert not (tmp_path / "maps_2_older.png").exists()
    (tmp_path / "mine.png").unlink()
    text = page.read_text()
    assert "&lt;noise&gt;" in text
    assert "script" not in text
    assert text == explanation_page(found, source="<noise>")
    with pytest.raises(DataError, match=r"uint8 \(16, 16\)"):
        explain(network, crop[:8])
    with pytest.raises(ConfigError, match="no layer 'x'"):
        explain(network, crop, blocks=["x"])


def test_blocks_by_their_own_names(crop: np.ndarray) -> None:
    """A block that only hands on what its last layer gives is known by its own name too, for maps and for heat."""
    torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from torch import nn

    from unmask.explain.torch_network import TorchNetwork

    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU()))
            self.head = nn.Linear(3, 2)

        def forward(self, pixels: Any) -> dict[str, Any]:
            return {"two": self.head(self.block(pixels).mean(dim=(2, 3)))}

    torch.manual_seed(0)
    network = TorchNetwork(Blocks(), CARD)
    maps = network.maps(crop, ["block", "block.0", "block.0.1"])
    np.testing.assert_array_equal(maps["block"], maps["block.0.1"])
    np.testing.assert_array_equal(maps["block"], maps["block.0"])
    found = explain(network, crop, blocks=["block"], methods=["grad-cam"], heat_on="block.0.0")
    assert (list(found.maps), found.heat_block) == (["block"], "block.0.0")
    assert not np.array_equal(found.heat["grad-cam"], explain(network, crop, heat_on="block").heat["grad-cam"])
    with pytest.raises(ConfigError, match="only grad-cam looks at one layer"):
        explain(network, crop, methods=["occlusion"], heat_on="block")


def test_command_line(capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path) -> None:
    """A photograph is read as the reader reads it, and explained; the table needs no picture; mistakes are named."""
    out = tmp_path / "out"
    command = ["explain", "small", str(photo), "--out", str(out), "--detector", "mtcnn", "--engine", "onnx"]
    assert main([*command, "--head", "fer2013", "--methods", "grad-cam", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == "happy"
    assert json.loads((out / "explanation.json").read_text())["source"] == photo.name
    assert main(["explain", "small", "--layers", "--engine", "onnx"]) == 0
    table = capsys.readouterr().out
    assert "conv 3x3 / 2" in table
    assert "in all" in table
    assert main(["explain", "small", str(photo)]) == 2
    assert main([*command, "--face", "3"]) == 1
    assert main([*command, "--blocks", "nothing"]) == 2
    assert main([*command, "--methods", "nothing"]) == 2
    assert main([*command, "--heat-block", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert "--out DIR" in error
    assert "has one face, number 0; there is no --face 3" in error
    assert "no layer 'nothing'" in error
    assert "no layer 'nowhere'" in error
    assert "unknown heat method 'nothing'" in error


def test_the_source_is_not_replaced(
    capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture with the name of one that is written stays, and nothing is written beside it."""
    source = tmp_path / "face.png"
    source.write_bytes(photo.read_bytes())
    monkeypatch.chdir(tmp_path)
    command = ["explain", "small", "face.png", "--detector", "whole", "--engine", "onnx", "--methods", "grad-cam"]
    assert main([*command, "--out", "."]) == 2
    assert "--out face.png would replace face.png" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]
    assert source.read_bytes() == photo.read_bytes()


def test_table_of_layers_in_the_documentation() -> None:
    """docs/explain.md shows what the command prints; docs/make_measured.sh makes it anew."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "unmask", "explain", "small", "--layers", "--engine", "onnx"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (root / "docs/made/layers.txt").read_text() == printed


@pytest.mark.parametrize("verb", ["evaluate", "explain"])
def test_a_bare_install_with_onnx_is_enough(verb: str, photo: Path, tmp_path: Path) -> None:
    """Measuring and looking into a graph load neither PyTorch nor matplotlib, unless a page of plots is asked for."""
    image = " ".join(["128"] * 2304)
    data = tmp_path / "tiny.csv"
    data.write_text("emotion,pixels,Usage\n" + f"3,{image},PublicTest\n" * 2)
    commands = {
        "evaluate": ["evaluate", "small", "--data", str(data), "--against", "small"],
        "explain": ["explain", "small", str(photo), "--out", str(tmp_path / "out"), "--detector", "mtcnn"],
    }
    loaded = modules_after(f"from unmask.cli import main; assert main({commands[verb]}) == 0")
    assert not loaded & {"torch", "matplotlib", "sklearn", "pandas"}
