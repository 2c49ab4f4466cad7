"""What every network shares: the way of a face through it, and what training and looking inside may rely on."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def standardise(pixels: Tensor) -> Tensor:
    """Each picture with mean 0 and spread 1, whatever its lighting: ``(B, 1, H, W)`` in 0..255 to the same shape.

    Networks begin with this, so that the pixels they are given need no preparation and nobody can forget it.
    """
    centred = pixels - pixels.mean(dim=(2, 3), keepdim=True)
    # The 4 (grey levels, squared) keeps a blank picture from being divided by nothing.
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 4.0).sqrt()


IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in 0..1, as torchvision's weights expect their input."""


class ImageNetTrunk(nn.Sequential):
    """Layers that take what ImageNet networks take; called with grey pixels ``(B, 1, H, W)`` in 0..255.

    Its layers keep the names that they have in torchvision, so that published weights fit.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", 255 * torch.tensor(IMAGENET_SPREAD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Grey, the same in all three channels, normalised, to the last map ``(B, C, h, w)``."""
        out: Tensor = super().forward((pixels - self.mean) / self.spread)
        return out


def _restate(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Let a norm take the statistics of its input ``(B, C, H, W)``, and go on giving what it gave."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - scale * norm.running_mean
    mean, variance = inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3), unbiased=False)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(shift + scale * mean)


class FaceNetwork(nn.Module):
    """Grey pixels ``(B, 1, H, W)`` in 0..255 to the logits of each head; every network scales the pixels itself.

    A network gives ``features``, called with grey pixels and giving the last map ``(B, C, h, w)``; ``heads``, one
    linear layer per taxonomy; and ``layer_groups``. Weights published by others carry their own names: ``own`` are the
    beginnings of names that such files lack, ``foreign`` of names that they hold and that have no place here.
    """

    features: Callable[[Tensor], Tensor]
    heads: nn.ModuleDict
    own: tuple[str, ...] = ("heads.",)
    foreign: tuple[str, ...] = ("heads.",)

    size = 0
    """Side to which the network enlarges its input by itself; 0 takes pictures as they are."""

    @property
    def classes(self) -> Mapping[str, int]:
        """Number of classes by head."""
        return {name: head.out_features for name, head in self.heads.items() if isinstance(head, nn.Linear)}

    def pooled(self, features: Tensor) -> Tensor:
        """The last map ``(B, C, h, w)`` to what the heads see, ``(B, D)``."""
        return features.mean(dim=(2, 3))

    def head(self, features: Tensor) -> dict[str, Tensor]:
        """The last map ``(B, C, h, w)`` to the logits ``(B, classes)`` of each head."""
        pooled = self.pooled(features)
        return {name: head(pooled) for name, head in self.heads.items()}

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Grey pixels ``(B, 1, H, W)`` in 0..255 to the logits ``(B, classes)`` of each head."""
        if self.size:
            pixels = functional.interpolate(pixels, (self.size, self.size), mode="bilinear", align_corners=False)
        return self.head(self.features(pixels))

    def layer_groups(self) -> list[list[nn.Module]]:
        """The modules from the first to the last in a few groups, to be frozen and given their own learning rates.

        Every parameter is in exactly one group; the last group holds the heads.
        """
        raise NotImplementedError

    @torch.no_grad()
    def settle(self, unsettled: Collection[str], pixels: Tensor) -> None:
        """After weights from elsewhere were loaded: give their norms statistics, and let every answer stay as it was.

        Published weights, and the graphs of models, have their norms folded into the convolutions, and without norms a
        deep network learns slowly or diverges.

        Parameters
        ----------
        unsettled
            Names of the tensors that the weights lack or hold folded; the norms of maps among them are settled.
        pixels
            Grey training pictures ``(B, 1, H, W)`` in 0..255, from which the statistics are taken.
        """
        hooks = [
            module.register_forward_pre_hook(_restate)
            for name, module in self.named_modules()
            if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" in unsettled
        ]
        if not hooks:
            return
        training = self.training
        self.eval()(pixels)
        self.train(training)
        for hook in hooks:
            hook.remove()

    def fused(self) -> nn.Module:
        """The same function in the form in which it is run; a network that has only one form gives itself."""
        return self


class TransferNetwork(FaceNetwork):
    """A network whose trunk was trained for something else: a neck stands between its last map and the heads."""

    neck: nn.Sequential
    own: tuple[str, ...] = ("neck.", "heads.")
    foreign: tuple[str, ...] = ("classifier.", "neck.", "heads.")

    def pooled(self, features: Tensor) -> Tensor:
        """Mean of each channel, through the neck."""
        out: Tensor = self.neck(features.mean(dim=(2, 3)))
        return out


class PooledNetwork(FaceNetwork):
    """A network made for faces: the heads see the mean of each channel, some dropped during training."""

    dropout: nn.Dropout

    def pooled(self, features: Tensor) -> Tensor:
        """Mean of each channel, some dropped during training."""
        out: Tensor = self.dropout(features.mean(dim=(2, 3)))
        return out


def check_stages(widths: Sequence[int], blocks: Sequence[int], *, least: int = 0) -> None:
    """Raise ValueError unless each stage has a width of 1 or more and ``least`` or more blocks."""
    if len(widths) != len(blocks) or not len(widths):
        raise ValueError(f"expected as many widths as blocks, one or more, got {list(widths)} and {list(blocks)}")
    if min(widths) < 1 or min(blocks) < least:
        raise ValueError(
            f"expected widths of 1 or more and {least} or more blocks each, got {list(widths)} and {list(blocks)}"
        )


def halving_stages(
    block: Callable[..., nn.Module], inputs: int, widths: Sequence[int], blocks: Sequence[int]
) -> tuple[nn.Sequential, int]:
    """Blocks one after the other, and the channels that come out; each stage after the first begins by halving the map.

    Parameters
    ----------
    block
        Makes one, from its inputs, its outputs and ``stride``.
    inputs
        Channels that come in.
    widths, blocks
        Channels and number of blocks of each stage.
    """
    made: list[nn.Module] = []
    for index, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for number in range(count):
            made.append(block(inputs, width, stride=2 if index > 0 and number == 0 else 1))
            inputs = width
    return nn.Sequential(*made), inputs


def halves(blocks: Iterable[nn.Module]) -> list[list[nn.Module]]:
    """The first half of some blocks and the second, which is the longer where they are odd."""
    listed = list(blocks)
    half = len(listed) // 2
    return [listed[:half], listed[half:]]


def linear_heads(features: int, heads: Mapping[str, int]) -> nn.ModuleDict:
    """One linear layer per head. Raises ValueError without any head."""
    if not heads:
        raise ValueError("expected at least one head")
    return nn.ModuleDict({name: nn.Linear(features, classes) for name, classes in heads.items()})


def transfer_neck(features: int, hidden: int, dropout: float) -> nn.Sequential:
    """What stands between a trunk that was trained for something else and the heads: norms, dropout, one hidden layer.

    The first norm brings the trunk's features to one scale, so that a recipe fits every trunk.
    """
    return nn.Sequential(
        nn.BatchNorm1d(features),
        nn.Dropout(dropout / 2),
        nn.Linear(features, hidden),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(hidden),
        nn.Dropout(dropout),
    )


def initialise(network: nn.Module) -> None:
    """Random weights for convolutions that ReLU follows (He et al., doi:10.1109/ICCV.2015.123), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # Each channel is heard by out_channels / groups others at every tap; PyTorch's own rule forgets the groups.
            fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
