"""Residual networks for 48-pixel grey faces.

The plan follows He et al., "Deep Residual Learning for Image Recognition" (doi:10.1109/CVPR.2016.90), with the stem and
the strides cut down to a 48-pixel face: the first stage runs at full size with few channels, the last map is 6x6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from unmask.networks.base import (
    PooledNetwork,
    check_stages,
    halves,
    halving_stages,
    initialise,
    linear_heads,
    standardise,
)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to the input, which a 1x1 convolution fits where need be."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.activation = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        y = self.activation(self.norm1(self.conv1(x)))
        out: Tensor = self.activation(self.norm2(self.conv2(y)) + self.shortcut(x))
        return out


class FaceResNet(PooledNetwork):
    """A residual trunk with one linear head per taxonomy.

    Parameters
    ----------
    heads
        Head name to number of classes, for example ``{"ferplus": 8, "fer2013": 7}``.
    widths
        Channels of each stage; every stage after the first halves the map.
    blocks
        Residual blocks in each stage.
    dropout
        Probability of dropping a pooled feature during training.
    """

    def __init__(
        self,
        *,
        heads: Mapping[str, int],
        widths: Sequence[int] = (32, 64, 96, 128),
        blocks: Sequence[int] = (1, 2, 2, 1),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_stages(widths, blocks)
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        self.stages, channels = halving_stages(ResidualBlock, widths[0], widths, blocks)
        self.dropout = nn.Dropout(dropout)
        self.heads = linear_heads(channels, heads)
        initialise(self)
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                # Each block starts as the identity, which lets a deep trunk train at a high learning rate from the
                # first step (Goyal et al., arXiv:1706.02677, section 5.1).
                nn.init.zeros_(module.norm2.weight)

    def features(self, pixels: Tensor) -> Tensor:
        """Grey pixels ``(B, 1, H, W)`` in 0..255 to the last map ``(B, C, H / 8, W / 8)``."""
        out: Tensor = self.stages(self.stem(standardise(pixels)))
        return out

    def layer_groups(self) -> list[list[nn.Module]]:
        """Stem, both halves of the stages, heads."""
        return [[self.stem], *halves(self.stages), [self.heads]]
