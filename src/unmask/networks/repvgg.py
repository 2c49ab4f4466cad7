"""A network that trains with three branches a layer and is run as one plain stack of 3x3 convolutions.

Ding et al., "RepVGG: Making VGG-style ConvNets Great Again" (doi:10.1109/CVPR46437.2021.01352), cut to 48-pixel faces.
Dense 3x3 convolutions are what processors are fastest at, also in int8; the branches make them easier to train, and a
sum of linear branches is one convolution.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from unmask.networks.base import (
    PooledNetwork,
    check_stages,
    halves,
    halving_stages,
    initialise,
    linear_heads,
    standardise,
)


class RepBlock(nn.Module):
    """The sum of a 3x3 convolution, a 1x1 convolution and, where shapes allow, the input, each with its norm; ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.norm0 = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        out: Tensor = self.norm3(self.conv3(x)) + self.norm1(self.conv1(x))
        if self.norm0 is not None:
            out = out + self.norm0(x)
        return functional.relu(out)

    @torch.no_grad()
    def fused(self) -> nn.Conv2d:
        """The one convolution that equals the branches in evaluation mode, without the ReLU."""
        kernel, bias = _folded(self.conv3.weight, self.norm3)
        # A 1x1 kernel is a 3x3 kernel with only its centre; the input itself is a 1x1 kernel that copies each channel.
        branches = [_folded(functional.pad(self.conv1.weight, (1, 1, 1, 1)), self.norm1)]
        if self.norm0 is not None:
            copying = torch.eye(len(self.norm0.weight), device=kernel.device)[:, :, None, None]
            branches.append(_folded(functional.pad(copying, (1, 1, 1, 1)), self.norm0))
        for more_kernel, more_bias in branches:
            kernel, bias = kernel + more_kernel, bias + more_bias
        conv = nn.Conv2d(self.conv3.in_channels, self.conv3.out_channels, 3, stride=self.conv3.stride[0], padding=1)
        conv.load_state_dict({"weight": kernel, "bias": bias})
        return conv.to(kernel.device)


def _folded(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with its norm's running statistics worked in."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return kernel * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class FaceRepVGG(PooledNetwork):
    """A re-parameterisable VGG for faces; ``fused`` gives the plain stack.

    Parameters
    ----------
    heads
        Head name to number of classes.
    widths
        Channels of each stage; every stage after the first halves the map.
    blocks
        Blocks in each stage.
    dropout
        Probability of dropping a pooled feature during training.
    """

    def __init__(
        self,
        *,
        heads: Mapping[str, int],
        widths: Sequence[int] = (32, 64, 128, 160),
        blocks: Sequence[int] = (1, 2, 3, 2),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_stages(widths, blocks, least=1)
        self.stages, channels = halving_stages(RepBlock, 1, widths, blocks)
        self.dropout = nn.Dropout(dropout)
        self.heads = linear_heads(channels, heads)
        initialise(self)

    def features(self, pixels: Tensor) -> Tensor:
        """Grey pixels ``(B, 1, H, W)`` in 0..255 to the last map ``(B, C, H / 8, W / 8)``."""
        out: Tensor = self.stages(standardise(pixels))
        return out

    def layer_groups(self) -> list[list[nn.Module]]:
        """Both halves of the stages, the heads."""
        return [*halves(self.stages), [self.heads]]

    def fused(self) -> nn.Module:
        """A copy in evaluation mode with one convolution a layer; it gives the same logits and cannot be trained on."""
        plain = copy.deepcopy(self).eval()
        plain.stages = nn.Sequential(
            *(nn.Sequential(block.fused(), nn.ReLU()) for block in plain.stages if isinstance(block, RepBlock))
        )
        return plain
