"""Looking into a model's ONNX graph, without PyTorch and without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.explain import onnx_graph
from unmask.explain.base import Crop, Layer, Maps, check_maps
from unmask.models import Classifier, Head, ModelCard, ModelFile
from unmask.models.graph import parse

STEPS = (1.0, 0.01, 0.003)
"""How far a channel is moved to either side, in root mean squares of the map. Far is best where the graph behind is
straight, for it leaves the least rounding; near is best where it bends. What up and down differ by shows both."""

_STRAIGHT = 1e-4  # share of the gains by which up and down may differ where no other step need be tried

_BATCH = 32  # channels that are moved together, which bounds the memory


class OnnxNetwork:
    """A model's graph, opened.

    The gradient by a whole channel is taken from the graph itself: each channel is raised and lowered by a little, the
    part of the graph behind it is run, and the logits' difference is the sum of the gradients over the channel's
    places. Where only averaging and a linear layer follow, that is exact but for rounding.

    Parameters
    ----------
    model
        A loaded model file.

    Raises
    ------
    ModelError
        The graph cannot be taken apart.
    """

    engine = "onnx"

    def __init__(self, model: ModelFile) -> None:
        self._classifier = Classifier(model)
        self._model = parse(model.onnx)
        self._values = onnx_graph.outputs_by_layer(self._model)
        self._tails: dict[tuple[str, str], tuple[onnx_graph.Session, list[str]]] = {}

    @property
    def card(self) -> ModelCard:
        return self._classifier.card

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """See :class:`unmask.explain.OpenNetwork`."""
        return onnx_graph.layer_table(self._model)

    def logits(self, crops: NDArray[np.uint8], head: Head) -> NDArray[np.float32]:
        """See :class:`unmask.explain.OpenNetwork`."""
        return self._classifier.logits(crops, head=head.name)

    def maps(self, crop: Crop, names: Sequence[str]) -> dict[str, Maps]:
        """See :class:`unmask.explain.OpenNetwork`."""
        check_maps(self.layers, names)
        if not names:
            return {}
        shapes = {self._values[layer.name]: layer.shape for layer in self.layers if layer.name in names}
        opened = onnx_graph.session(onnx_graph.with_outputs(self._model, shapes))
        given = dict(zip(shapes, opened({onnx_graph.INPUT: crop[None]}), strict=True))
        return {name: given[self._values[name]][0] for name in names}

    def channel_gradients(self, crop: Crop, name: str, head: Head) -> NDArray[np.float64]:
        """See :class:`unmask.explain.OpenNetwork`."""
        maps = self.maps(crop, [name])[name]
        height, width = maps.shape[1:]
        reach = float(np.sqrt(np.square(maps, dtype=np.float64).mean())) or 1.0
        here = self._run_tail(maps[None], crop, name, head)
        best, least = np.zeros((len(maps), here.shape[1])), np.inf
        for step in (share * reach for share in STEPS):
            up, down = (self._moved(maps, move, crop, name, head) for move in (step, -step))
            uneven = float(np.linalg.norm(up + down - 2 * here)) / max(float(np.linalg.norm(up - down)), 1e-30)
            if uneven < least:
                best, least = (up - down) / (2 * step * height * width), uneven
            if least <= _STRAIGHT:
                break
        return best.T

    def _moved(self, maps: Maps, step: float, crop: Crop, name: str, head: Head) -> NDArray[np.float64]:
        """Logits ``(C, classes)`` with one channel after the other moved by ``step`` at all its places."""
        moves = np.eye(len(maps), dtype=np.float32)[:, :, None, None] * np.float32(step)  # (C, C, 1, 1)
        parts = np.array_split(moves, -(-len(maps) // _BATCH))
        return np.concatenate([self._run_tail(maps + part, crop, name, head) for part in parts])

    def filters(self) -> NDArray[np.float32]:
        """See :class:`unmask.explain.OpenNetwork`."""
        convolution = next((n for n in onnx_graph.crop_nodes(self._model) if n.op_type == "Conv"), None)
        if convolution is None:
            return np.empty((0, 1, 1, 1), np.float32)
        return np.asarray(onnx_graph.constants(self._model)[convolution.input[1]], dtype=np.float32)

    def _run_tail(self, maps: NDArray[np.float32], crop: Crop, name: str, head: Head) -> NDArray[np.float64]:
        """Logits ``(N, classes)`` of maps ``(N, C, H, W)`` put in the place of a layer's own."""
        key = (name, head.output)
        if key not in self._tails:
            graph, inputs = onnx_graph.tail(self._model, self._values[name], head.output)
            self._tails[key] = onnx_graph.session(graph), inputs
        run, inputs = self._tails[key]
        values: dict[str, NDArray[Any]] = {
            self._values[name]: maps,
            onnx_graph.INPUT: np.repeat(crop[None], len(maps), axis=0),
        }
        return np.asarray(run({key: values[key] for key in inputs})[0], dtype=np.float64)
