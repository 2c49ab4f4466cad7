"""MobileNets: version 2 under torchvision's names, and version 1 as trained on faces.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (doi:10.1109/CVPR.2018.00474). Howard et al.,
"MobileNets" (arXiv:1704.04861), trained by Savchenko on VGGFace2 for face identity (doi:10.7717/peerj-cs.197).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from unmask.networks.base import ImageNetTrunk, TransferNetwork, halves, initialise, linear_heads, transfer_neck

_SETTINGS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Factor of expansion, channels, blocks and first stride of each stage (table 2 of the article)."""

_LAST = 1280


def conv_norm(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias that keeps the map's side or divides it by the stride, its norm, and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Widen, filter each channel alone, narrow again without activation; the input is added where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = [conv_norm(inputs, wide, 1)] if expansion != 1 else []
        layers += [
            conv_norm(wide, wide, 3, stride=stride, groups=wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        out: Tensor = self.conv(x)
        return x + out if self.adds else out


class FaceMobileNetV2(TransferNetwork):
    """MobileNetV2 of width 1 for faces.

    Parameters
    ----------
    heads
        Head name to number of classes.
    hidden
        Width of the neck's hidden layer.
    dropout
        Probability of dropping a hidden feature during training.
    """

    def __init__(self, *, heads: Mapping[str, int], hidden: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm(3, 32, 3, stride=2)]
        channels = 32
        for expansion, width, count, stride in _SETTINGS:
            for block in range(count):
                step = stride if block == 0 else 1
                layers.append(InvertedResidual(channels, width, stride=step, expansion=expansion))
                channels = width
        layers.append(conv_norm(channels, _LAST, 1))
        self.features = ImageNetTrunk(*layers)
        self.neck = transfer_neck(_LAST, hidden, dropout)
        self.heads = linear_heads(hidden, heads)
        initialise(self)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The first seven blocks, the others, the neck and the heads."""
        layers = list(self.get_submodule("features").children())
        return [layers[:7], layers[7:], [self.neck, self.heads]]


_FACE_MEAN = (103.939, 116.779, 123.68)  # of blue, green and red in 0..255
_FACE_LAYERS = (
    (3, 32, 3, 2, 1),
    *(
        layer
        for inputs, outputs, stride in (
            (32, 64, 1),
            (64, 128, 2),
            (128, 128, 1),
            (128, 256, 2),
            (256, 256, 1),
            (256, 512, 2),
            *[(512, 512, 1)] * 5,
            (512, 1024, 2),
            (1024, 1024, 1),
        )
        for layer in ((inputs, inputs, 3, stride, inputs), (inputs, outputs, 1, 1, 1))
    ),
)
"""Inputs, outputs, kernel, stride and groups of each convolution, as the published file's metadata states them."""


class _FaceConv(nn.Module):
    """A convolution with its norm and ReLU6; padded as TensorFlow pads, right and bottom only where the stride is 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        padding = 1 if kernel == 3 and stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride[0] == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        return functional.relu6(self.norm(self.conv(x)))


class FaceMobileNetV1(TransferNetwork):
    """MobileNetV1 as it was trained on VGGFace2.

    The published weights have their norms folded into the convolutions. Each convolution has a norm again, which
    :meth:`settle` gives the statistics of the training pictures.

    Parameters
    ----------
    heads
        Head name to number of classes.
    hidden
        Width of the neck's hidden layer.
    dropout
        Probability of dropping a hidden feature during training.
    """

    mean: Tensor
    own = ("neck.", "heads.", *(f"blocks.{place}.norm." for place in range(len(_FACE_LAYERS))))
    foreign = ("heads.",)

    def __init__(self, *, heads: Mapping[str, int], hidden: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_FaceConv(*layer) for layer in _FACE_LAYERS))
        self.neck = transfer_neck(_FACE_LAYERS[-1][1], hidden, dropout)
        self.heads = linear_heads(hidden, heads)
        self.register_buffer("mean", torch.tensor(_FACE_MEAN).view(1, 3, 1, 1), persistent=False)
        initialise(self)

    def features(self, pixels: Tensor) -> Tensor:
        """Grey pixels ``(B, 1, H, W)`` in 0..255 to the last map ``(B, 1024, H / 32, W / 32)``."""
        out: Tensor = self.blocks(pixels - self.mean)
        return out

    def layer_groups(self) -> list[list[nn.Module]]:
        """The first half of the convolutions, the second half, the neck and the heads."""
        return [*halves(self.blocks), [self.neck, self.heads]]
