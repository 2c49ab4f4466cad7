"""Looking into a PyTorch network, with its own gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unmask.errors import ModelError
from unmask.explain.base import Crop, Layer, Maps, check_maps, unseen_share
from unmask.models import Head, ModelCard

Watch = Callable[[int, Tensor], Tensor | None]
"""Called with the number of a step and what it gives; a tensor returned takes its place."""


class TorchNetwork:
    """A network and the card that says how it is used.

    Its steps are those of its modules, in the order in which they end. A module that runs twice in a block, such as the
    one activation of a residual block, is called by the block whose result it gives.

    Parameters
    ----------
    network
        Pixels ``(N, 1, S, S)`` in 0..255 to a dict of logits by head. It is put into evaluation mode.
    card
        Of the model that it belongs to.
    """

    engine = "torch"

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        self._network = network.float().eval()
        self._card = card

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def layers(self) -> tuple[Layer, ...]:
        """See :class:`unmask.explain.OpenNetwork`."""
        return self._ran[0]

    @cached_property
    def _ran(self) -> tuple[tuple[Layer, ...], dict[str, str]]:
        """The layers, and for each block that hands on what its last layer gives, that layer's name."""
        size = self._card.input_size
        with torch.no_grad(), _steps(self._network) as (layers, blocks):
            self._network(torch.zeros(1, 1, size, size))
        return tuple(layers), {block: layers[step].name for block, step in blocks.items()}

    def logits(self, crops: NDArray[np.uint8], head: Head) -> NDArray[np.float32]:
        """See :class:`unmask.explain.OpenNetwork`."""
        with torch.no_grad():
            parts = [self._network(_pixels(part))[head.name] for part in np.array_split(crops, -(-len(crops) // 64))]
        return torch.cat(parts).numpy()

    def maps(self, crop: Crop, names: Sequence[str]) -> dict[str, Maps]:
        """See :class:`unmask.explain.OpenNetwork`."""
        wanted = {name: self._step(name) for name in names}
        found: dict[int, Maps] = {}

        def watch(step: int, value: Tensor) -> None:
            if step in wanted.values():  # copied, for the next module may work in place
                found[step] = value[0].detach().clone().numpy()

        with torch.no_grad(), _steps(self._network, watch):
            self._network(_pixels(crop[None]))
        return {name: found[step] for name, step in wanted.items()}

    def channel_gradients(self, crop: Crop, name: str, head: Head) -> NDArray[np.float64]:
        """See :class:`unmask.explain.OpenNetwork`."""
        wanted, held = self._step(name), []

        def watch(step: int, value: Tensor) -> Tensor | None:
            if step != wanted:
                return None
            held.append(value.detach().requires_grad_())
            return held[0].clone()  # the next module may work in place

        with torch.enable_grad(), _steps(self._network, watch):
            logits = self._network(_pixels(crop[None]))[head.name][0]
        rows = [torch.autograd.grad(logit, held[0], retain_graph=True, allow_unused=True)[0] for logit in logits]
        if any(row is None for row in rows):
            raise ModelError(
                f"head '{head.name}' does not depend on '{name}'; choose another layer (--layers lists them)"
            )
        return torch.stack([row[0].mean(dim=(1, 2)) for row in rows]).double().numpy()

    def filters(self) -> NDArray[np.float32]:
        """See :class:`unmask.explain.OpenNetwork`."""
        for module in self._network.modules():
            if isinstance(module, nn.Conv2d):
                return module.weight.detach().numpy()
        return np.empty((0, 1, 1, 1), np.float32)

    def _step(self, name: str) -> int:
        """The number of the step that gives the map of a layer or block. Raises ConfigError where there is none."""
        layer = self._ran[1].get(name, name)
        check_maps(self.layers, [layer])
        return [one.name for one in self.layers].index(layer)


def _pixels(crops: NDArray[np.uint8]) -> Tensor:
    """Crops ``uint8 (N, S, S)`` as a network takes them."""
    return torch.from_numpy(np.ascontiguousarray(crops)).unsqueeze(1).float()


@contextmanager
def _steps(network: nn.Module, watch: Watch = lambda step, value: None) -> Iterator[tuple[list[Layer], dict[str, int]]]:
    """The network's steps, filled in while it runs in the context; ``watch`` sees each and may replace its result.

    Beside them, blocks that add no step of their own: by name, the number of the step whose result they hand on.
    """
    layers: list[Layer] = []
    blocks: dict[str, int] = {}
    last: list[Any] = [None]
    runs: dict[nn.Module, int] = {}
    names = {module: name for name, module in network.named_modules()}

    def ended(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor | None:
        if not isinstance(output, Tensor) or isinstance(module, nn.Identity):
            return None
        is_block = next(module.children(), None) is not None
        own = list(module.parameters(recurse=False))
        if is_block and output is last[0] and not own:
            blocks[names[module]] = len(layers) - 1
            if layers[-1].name.endswith(":2"):
                layers[-1] = replace(layers[-1], name=names[module], kind=f"end of {type(module).__name__}")
            return None
        runs[module] = runs.get(module, 0) + 1
        layers.append(_layer(names[module], module, inputs, output, run=runs[module], is_block=is_block))
        replaced = watch(len(layers) - 1, output)
        last[0] = output if replaced is None else replaced
        return replaced

    handles = [module.register_forward_hook(ended) for module in network.modules() if module is not network]
    try:
        yield layers, blocks
    finally:
        for handle in handles:
            handle.remove()


def _layer(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Tensor, *, run: int, is_block: bool) -> Layer:
    shape = tuple(output.shape[1:])
    # Learned numbers count once, however often a module runs.
    own = list(module.parameters(recurse=False)) if run == 1 else []
    layer = Layer(
        name=name if run == 1 else f"{name}:{run}",
        kind=f"end of {type(module).__name__}" if is_block else _kind(module),
        shape=shape,
        parameters=sum(p.numel() for p in own),
    )
    if isinstance(module, nn.Conv2d):
        return replace(layer, macs=_conv_macs(module, shape), unseen=_conv_unseen(module, inputs[0]) if own else 0)
    if isinstance(module, nn.Linear):
        return replace(layer, macs=module.weight.numel())
    return layer


def _kind(module: nn.Module) -> str:
    names = {nn.Conv2d: "conv", nn.Linear: "linear", nn.BatchNorm2d: "batch norm"}
    kind = names.get(type(module), type(module).__name__.lower())
    if isinstance(module, nn.Conv2d) and module.groups > 1:
        kind = "grouped conv"
    kernel = getattr(module, "kernel_size", None)
    if kernel is not None:
        kind += " " + "x".join(map(str, _pair(kernel)))
    stride = max(_pair(getattr(module, "stride", None) or 1))
    return f"{kind} / {stride}" if stride > 1 else kind


def _conv_macs(module: nn.Conv2d, shape: tuple[int, ...]) -> int:
    return int(np.prod(module.weight.shape[1:])) * int(np.prod(shape))


def _conv_unseen(module: nn.Conv2d, inputs: Tensor) -> int:
    if isinstance(module.padding, str):
        reach = zip(module.kernel_size, module.dilation, strict=True)
        pads = [0, 0] if module.padding == "valid" else [(side - 1) * apart // 2 for side, apart in reach]
    else:
        pads = list(module.padding)
    share = unseen_share(tuple(inputs.shape[2:]), module.kernel_size, module.stride, module.dilation, (*pads, *pads))
    return round(module.weight.numel() * share)


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)
