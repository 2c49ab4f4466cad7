"""The study's own network, exactly: 14 convolutions, 2 linear layers, 526,255 parameters for seven classes.

Seven convolutions of stride 2 and a pooling bring a face of 48 pixels down to one: 24, 12, 6, 3, 2, (1), 1. Half of the
parameters belong to the last convolution, which slides over a map of one pixel: eight of its nine taps only ever see
padding (``unmask explain MODEL --layers`` counts them).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unmask.networks.base import FaceNetwork, linear_heads, standardise


def conv2(inputs: int, outputs: int, *, stride: int = 2) -> nn.Sequential:
    """A 3x3 convolution without bias, ReLU, batch normalisation, in this order."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """The input plus what two 3x3 convolutions make of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv2(channels, channels, stride=1), conv2(channels, channels, stride=1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def conv_and_res(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution that halves the map, and a residual block."""
    return nn.Sequential(conv2(inputs, outputs), Residual(outputs))


class StudyNetwork(FaceNetwork):
    """The study's network for faces of 48 pixels.

    Parameters
    ----------
    heads
        Head name to number of classes; the study has one, of FER2013's seven.
    """

    def __init__(self, *, heads: Mapping[str, int]) -> None:
        super().__init__()
        self.block1 = conv_and_res(3, 8)
        self.block2 = conv_and_res(8, 16)
        self.block3 = conv_and_res(16, 32)
        self.block4 = conv_and_res(32, 64)
        self.conv5 = conv2(64, 128)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv6 = conv2(128, 256)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(256, 128)
        self.dropout = nn.Dropout(0.5)
        self.heads = linear_heads(128, heads)

    def features(self, pixels: Tensor) -> Tensor:
        """Grey pixels ``(B, 1, 48, 48)`` in 0..255 to the last map ``(B, 256, 1, 1)``."""
        x = standardise(pixels).expand(-1, 3, -1, -1)
        for layer in (self.block1, self.block2, self.block3, self.block4, self.conv5, self.pool):
            x = layer(x)
        # oneDNN leaves the bf16 gradients of taps that only see padding unwritten (PyTorch 2.13 on a CPU), and what
        # stood in that memory before would be learned. The layer is too small for its number format to cost time.
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.conv6(x.float())
        return out

    def pooled(self, features: Tensor) -> Tensor:
        """``(B, 256, 1, 1)`` to ``(B, 128)``."""
        out: Tensor = self.dropout(self.linear(self.flatten(features)))
        return out

    def layer_groups(self) -> list[list[nn.Module]]:
        """Blocks 1 and 2, blocks 3 and 4, the last two convolutions, the linear layers."""
        return [
            [self.block1, self.block2],
            [self.block3, self.block4],
            [self.conv5, self.conv6],
            [self.linear, self.heads],
        ]
