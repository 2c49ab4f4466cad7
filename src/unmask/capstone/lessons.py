"""What stride, padding, ReLU, pooling, batch normalisation and residual blocks do, measured in the trained network.

Every lesson takes the study's network as it was trained, and real faces or their mean, and gives a figure and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unmask import plots
from unmask.networks.base import standardise
from unmask.networks.study import Residual, StudyNetwork

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Lesson = tuple["Figure", dict[str, Any]]
"""A figure, and the numbers that the text beside it names."""

BLUE, ORANGE, GREY = plots.LINE_COLOURS[0], plots.LINE_COLOURS[1], "#767676"


def pixels_of(faces: NDArray[np.uint8]) -> Tensor:
    """Faces ``uint8 (N, S, S)`` as the network takes them."""
    return torch.from_numpy(np.ascontiguousarray(faces)).unsqueeze(1).float()


@torch.no_grad()
def stride(network: StudyNetwork, face: NDArray[np.uint8]) -> Lesson:
    """The first convolution over a face ``(S, S)`` at every pixel, and at every second one."""
    convolution = _convolutions(network)[0][1]
    x = standardise(pixels_of(face[None])).expand(-1, 3, -1, -1)
    every = functional.conv2d(x, convolution.weight, padding=1)[0]
    second = convolution(x)[0]
    channel = int(second.var(dim=(1, 2)).argmax())
    figure = plots.image_grid(
        [face, every[channel].numpy(), second[channel].numpy()],
        captions=["the mean face, 48 x 48", "stride 1: 48 x 48", "stride 2: 24 x 24"],
        columns=3,
        cell=2.0,
    )
    difference = float((every[:, ::2, ::2] - second).abs().max())
    return figure, {"difference": difference, "work": every.numel() / second.numel()}


@torch.no_grad()
def padding(network: StudyNetwork, faces: NDArray[np.uint8]) -> Lesson:
    """How many outputs of each convolution touch the padding, and the last one's taps, eight of which see nothing else.

    The proof is made on ``faces``: with those eight taps set to 0 the logits are the same.
    """
    sizes: dict[str, tuple[int, int]] = {}

    def watch(name: str, module: nn.Module, given: Tensor, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        sizes[name] = (given.shape[-1], module.stride[0])

    x = pixels_of(faces)
    with watched(network, nn.Conv2d, watch):
        before = network(x)["fer2013"]
    shares = {name: touching(side, step) for name, (side, step) in sizes.items()}
    weight = _convolutions(network)[-1][1].weight
    taps = weight.square().mean(dim=(0, 1)).sqrt().numpy()
    kept = weight.clone()
    weight.mul_(torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    difference = float((network(x)["fer2013"] - before).abs().max())
    weight.copy_(kept)
    with plots.style():
        figure, (left, right) = plots.new_figure(7.6, 3.0, columns=2, gridspec_kw={"width_ratios": [2.2, 1]})
        left.bar(range(len(shares)), list(shares.values()), color=BLUE)
        left.set_xticks(range(len(shares)), [str(sizes[name][0]) for name in shares])
        left.set(xlabel="side of the map that each convolution reads", ylabel="share of its outputs")
        left.set_title("Outputs that see padding")
        right.imshow(taps, cmap="Blues", vmin=0)
        for (row, column), value in np.ndenumerate(taps):
            ink = "white" if value > taps.max() / 2 else "black"
            right.text(column, row, f"{value:.3f}", ha="center", va="center", color=ink)
        right.set(xticks=[], yticks=[], title="Last convolution:\nspread of each tap")
    return figure, {
        "shares": shares,
        "difference": difference,
        "taps": taps.tolist(),
        "unseen": 8 * weight[..., 0, 0].numel(),
    }


def touching(side: int, step: int) -> float:
    """Share of the outputs of a 3 x 3 convolution with padding 1 that see padding.

    >>> touching(48, 1) * 48 * 48
    188.0
    """
    starts = range(-1, side - 1, step)
    inside = sum(start >= 0 and start + 3 <= side for start in starts)
    return 1 - (inside / len(starts)) ** 2


@torch.no_grad()
def relu(network: StudyNetwork, faces: NDArray[np.uint8]) -> Lesson:
    """What comes before ReLU, and the share of it that ReLU makes 0, layer by layer."""
    values: dict[str, Tensor] = {}
    with watched(network, nn.Conv2d, lambda name, module, given, output: values.setdefault(name, output.clone())):
        network(pixels_of(faces))
    zeros = {name: float((value <= 0).float().mean()) for name, value in values.items()}
    name = next(iter(values))
    shown = values[name].flatten()[:: max(1, values[name].numel() // 200_000)].numpy()
    reach = float(np.quantile(np.abs(shown), 0.99))
    with plots.style():
        figure, (left, right) = plots.new_figure(7.6, 3.0, columns=2)
        edges = np.linspace(-reach, reach, 61)
        counts, _ = np.histogram(shown, bins=edges)
        colours = [GREY if low < 0 else BLUE for low in edges[:-1]]
        left.bar(edges[:-1], counts / counts.sum(), np.diff(edges), align="edge", color=colours)
        left.set(xlabel="before ReLU; grey becomes 0", ylabel="share", title="The first convolution's answers")
        right.bar(range(len(zeros)), list(zeros.values()), color=GREY)
        right.set(xlabel="convolution, first to last", ylabel="share made 0", ylim=(0, 1), title="What ReLU cuts off")
    return figure, {"zeros": zeros}


@torch.no_grad()
def pooling(network: StudyNetwork, face: NDArray[np.uint8], faces: NDArray[np.uint8]) -> Lesson:
    """The four places that the pooling sees in twelve channels of one face, and which of them wins over many faces."""
    kept: list[Tensor] = []
    with watched(network, nn.MaxPool2d, lambda name, module, given, output: kept.append(given.clone())):
        network(pixels_of(face[None]))
        network(pixels_of(faces))
    one, many = kept
    winners = torch.bincount(many.flatten(2).argmax(dim=2).flatten(), minlength=4)
    shares = (winners / winners.sum()).tolist()
    loudest = one[0].flatten(1).std(dim=1).argsort(descending=True)[:12]
    with plots.style():
        figure, (left, right) = plots.new_figure(7.6, 2.8, columns=2, gridspec_kw={"width_ratios": [1.3, 1]})
        sheet = np.full((3 * 3 - 1, 4 * 3 - 1), np.nan)
        for place, channel in enumerate(loudest.tolist()):
            top, start = 3 * (place // 4), 3 * (place % 4)
            values = one[0, channel].numpy()
            sheet[top : top + 2, start : start + 2] = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
            row, column = divmod(int(values.argmax()), 2)
            left.plot(start + column, top + row, "o", color=ORANGE, markersize=6)
        left.imshow(sheet, cmap="gray")
        left.set(xticks=[], yticks=[], title="Twelve channels of 2 x 2; a dot is what pooling keeps")
        left.spines[:].set_visible(False)
        right.bar(range(4), shares, color=BLUE)
        right.set_xticks(range(4), ["left\ntop", "right\ntop", "left\nbottom", "right\nbottom"])
        right.set(ylabel="share", title="Where the maximum lies")
    return figure, {"shares": shares}


@torch.no_grad()
def batch_norm(network: StudyNetwork, faces: NDArray[np.uint8]) -> Lesson:
    """Mean and spread of each channel before and after one normalisation, the first of the third block."""
    module = network.block3.get_submodule("0.2")
    seen: list[tuple[Tensor, Tensor]] = []
    handle = module.register_forward_hook(lambda _, given, output: seen.append((given[0].clone(), output.clone())))
    try:
        network(pixels_of(faces))
    finally:
        handle.remove()
    before, after = seen[0]
    means = [value.mean(dim=(0, 2, 3)).numpy() for value in (before, after)]
    spreads = [value.std(dim=(0, 2, 3)).numpy() for value in (before, after)]
    order = np.argsort(-means[0])
    with plots.style():
        figure, panels = plots.new_figure(7.6, 2.8, columns=2)
        titles = ("Before: every channel its own range", "After: all of a kind")
        for axes, mean, spread, title, colour in zip(panels, means, spreads, titles, (GREY, BLUE), strict=True):
            axes.errorbar(
                range(len(order)), mean[order], spread[order], fmt=".", color=colour, elinewidth=1, markersize=4
            )
            axes.axhline(0, color=GREY, linewidth=0.5)
            axes.set(xlabel="channel", ylabel="mean and spread", title=title)
    ratios = [float(spread.max() / max(spread.min(), 1e-9)) for spread in spreads]
    return figure, {"spread_ratio_before": ratios[0], "spread_ratio_after": ratios[1]}


@torch.no_grad()
def residual(network: StudyNetwork, faces: NDArray[np.uint8], labels: NDArray[np.int64]) -> Lesson:
    """What each residual block adds to its input, and the accuracy when it adds nothing."""
    x = pixels_of(faces)
    blocks = {f"block {n}": m for n, m in enumerate((m for m in network.modules() if isinstance(m, Residual)), 1)}
    strength: dict[str, tuple[float, float]] = {}

    def watch(name: str, module: nn.Module, given: Tensor, output: Tensor) -> None:
        size = (float(value.square().mean().sqrt()) for value in (given, output - given))
        strength[name] = (next(size), next(size))

    truth = torch.from_numpy(labels)

    def accuracy() -> float:
        return float((network(x)["fer2013"].argmax(1) == truth).float().mean())

    with watched(network, Residual, watch):
        whole = accuracy()
    without = {}
    for name, block in blocks.items():
        handle = block.register_forward_hook(lambda _, given, output: given[0])
        try:
            without[name] = accuracy()
        finally:
            handle.remove()
    with plots.style():
        figure, (left, right) = plots.new_figure(7.6, 3.0, columns=2)
        place = np.arange(len(blocks))
        carried, added = zip(*strength.values(), strict=True)
        left.bar(place - 0.2, carried, 0.38, color=GREY, label="carried on")
        left.bar(place + 0.2, added, 0.38, color=BLUE, label="added by the block")
        left.set_xticks(place, list(blocks))
        left.set(ylabel="root mean square", title="Input and what is added to it", ylim=(0, 1.3 * max(carried + added)))
        left.legend(loc="upper center", ncols=2)
        drawn = right.bar(place, list(without.values()), color=BLUE)
        right.bar_label(drawn, labels=[f"{value:.2f}" for value in without.values()], padding=2, fontsize=7.5)
        right.axhline(whole, color=GREY, linestyle="--", linewidth=1)
        right.set_xticks(place, [f"without\n{name}" for name in blocks])
        right.set(ylabel="accuracy", title=f"Dashed: {whole:.2f} with all of them")
        right.margins(y=0.15)
    return figure, {"accuracy": whole, "without": without, "strength": strength}


@contextmanager
def watched(network: nn.Module, kind: type[nn.Module], watch: Any) -> Iterator[None]:
    """Call ``watch(name, module, input, output)`` whenever a module of a kind has run."""

    def hook(name: str) -> Any:
        def ended(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            watch(name, module, given[0], output)

        return ended

    handles = [m.register_forward_hook(hook(name)) for name, m in network.named_modules() if isinstance(m, kind)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _convolutions(network: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
