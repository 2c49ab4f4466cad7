"""VGG networks, plain and with batch normalisation, under torchvision's names.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv:1409.1556). The
convolutions are the published ones; the three wide linear layers of ImageNet give way to a small neck and the heads.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from unmask.networks.base import ImageNetTrunk, TransferNetwork, initialise, linear_heads, transfer_neck

_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class FaceVGG(TransferNetwork):
    """VGG-16 or VGG-19 for faces.

    Parameters
    ----------
    heads
        Head name to number of classes.
    depth
        16 or 19.
    norm
        Batch normalisation after each convolution.
    hidden
        Width of the neck's hidden layer.
    dropout
        Probability of dropping a hidden feature during training.
    """

    def __init__(
        self, *, heads: Mapping[str, int], depth: int = 19, norm: bool = False, hidden: int = 256, dropout: float = 0.5
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, count in zip(_WIDTHS, _CONVOLUTIONS[depth], strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if norm else []
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = ImageNetTrunk(*layers)
        self.neck = transfer_neck(channels, hidden, dropout)
        self.heads = linear_heads(hidden, heads)
        initialise(self)

    def layer_groups(self) -> list[list[nn.Module]]:
        """Blocks 1 to 3, blocks 4 and 5, the neck and the heads."""
        layers = list(self.get_submodule("features").children())
        third_pool = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)][2]
        return [layers[: third_pool + 1], layers[third_pool + 1 :], [self.neck, self.heads]]
