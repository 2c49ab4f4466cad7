"""Inverted residual networks for 48-pixel grey faces: parameters that mix channels instead of 3x3 neighbourhoods.

The blocks are those of Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks"
(doi:10.1109/CVPR.2018.00474): a 3x3 filter for each channel alone, between two 1x1 convolutions that mix channels.
Where parameters are few, spending them on mixing serves better than nine weights for each pair of channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

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
from unmask.networks.mobilenet import InvertedResidual, conv_norm


class FaceInvertedNet(PooledNetwork):
    """A trunk of inverted residual blocks with one linear head per taxonomy.

    Parameters
    ----------
    heads
        Head name to number of classes.
    widths
        Channels of each stage; the stem halves the map, and so does every stage after the first.
    blocks
        Blocks in each stage.
    expansion
        How many times wider a block is inside.
    last
        Channels of the 1x1 convolution before the mean, which gives the heads more to choose from; 0 leaves it out.
    dropout
        Probability of dropping a pooled feature during training.
    """

    def __init__(
        self,
        *,
        heads: Mapping[str, int],
        widths: Sequence[int] = (24, 40, 60),
        blocks: Sequence[int] = (3, 4, 2),
        expansion: int = 3,
        last: int = 112,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_stages(widths, blocks)
        if expansion < 1 or last < 0:
            raise ValueError(f"expected expansion of 1 or more and last of 0 or more, got {expansion} and {last}")
        self.stem = conv_norm(1, widths[0], 3, stride=2)
        block = partial(InvertedResidual, expansion=expansion)
        self.stages, channels = halving_stages(block, widths[0], widths, blocks)
        self.last: nn.Module = conv_norm(channels, last, 1) if last else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.heads = linear_heads(last or channels, heads)
        initialise(self)

    def features(self, pixels: Tensor) -> Tensor:
        """Grey pixels ``(B, 1, H, W)`` in 0..255 to the last map ``(B, C, H / 8, W / 8)``."""
        out: Tensor = self.last(self.stages(self.stem(standardise(pixels))))
        return out

    def layer_groups(self) -> list[list[nn.Module]]:
        """Stem, both halves of the stages, the last convolution and the heads."""
        return [[self.stem], *halves(self.stages), [self.last, self.heads]]
