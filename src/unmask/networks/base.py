"""What every network shares: the way of a face through it, and what training and looking inside may rely on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn import functional


def standardise(pixels: Tensor) -> Tensor:
    """Each picture with mean 0 and spread 1, whatever its lighting: ``(B, 1, H, W)`` in 0..255 to the same shape.

    Networks begin with this, so that the pixels they are given need no preparation and nobody can forget it.
    """
    centred = pixels - pixels.mean(dim=(2, 3), keepdim=True)
    # The 4 (grey levels, squared) keeps a blank picture from being divided by nothing.
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 4.0).sqrt()


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

    def fused(self) -> nn.Module:
        """The same function in the form in which it is run; a network that has only one form gives itself."""
        return self


def linear_heads(features: int, heads: Mapping[str, int]) -> nn.ModuleDict:
    """One linear layer per head. Raises ValueError without any head."""
    if not heads:
        raise ValueError("expected at least one head")
    return nn.ModuleDict({name: nn.Linear(features, classes) for name, classes in heads.items()})
