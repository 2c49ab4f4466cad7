"""What teachers say: once about each training image, kept in the run's folder, or live about each view."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.errors import ConfigError, ModelError, UnmaskError
from unmask.evaluation.views import views_of
from unmask.expressions import TAXONOMIES, project
from unmask.models import Classifier, softmax
from unmask.networks import FaceNetwork
from unmask.training.checkpoint import load_checkpoint, save_checkpoint
from unmask.training.trained import trained_network

_VIEWS = 2
"""Each picture and its mirror image are shown to the teachers."""


def teacher_shares(
    teachers: Sequence[str], images: NDArray[np.uint8], heads: Sequence[str], *, temperature: float, cache: Path
) -> tuple[dict[str, Tensor], str]:
    """Mean probabilities of the teachers for a picture and its mirror image at a temperature, by head; and a checksum.

    ``float32 (N, classes)`` each; the checksum is that of teachers, images and temperature. A teacher without a head of
    that name answers with its first head, projected.

    Parameters
    ----------
    images
        As the teachers take them, ``uint8 (N, S, S)``.
    cache
        File that holds the answers from then on; it is made anew when teachers, images or temperature are others.

    Raises
    ------
    UnmaskError
        A teacher cannot be loaded, or takes crops of another size.
    """
    models = [Classifier.load(teacher, threads=torch.get_num_threads()) for teacher in teachers]
    key = _key(models, images, heads, temperature)
    if cache.exists():
        try:
            shares, state = load_checkpoint(cache)
        except ModelError:
            state = {}  # a torn file is made anew
        if state.get("key") == key:
            return shares, key
    shares = {}
    for head in heads:
        answers = [_answers(model, images, head, temperature) for model in models]
        shares[head] = torch.from_numpy(np.mean(answers, axis=0).astype(np.float32))
    save_checkpoint(cache, shares, {"key": key})
    return shares, key


def _answers(model: Classifier, images: NDArray[np.uint8], head: str, temperature: float) -> NDArray[np.float64]:
    target = TAXONOMIES[head]
    own: Mapping[str, str] = {h.taxonomy.name: h.name for h in model.card.heads}
    # A student sees mirrored pictures too, and what a face is called does not depend on that.
    logits = np.mean([model.logits(view, head=own.get(head)) for view in views_of(images, _VIEWS)], axis=0)
    probs = softmax(logits, temperature=temperature)
    return probs if head in own else project(probs, model.card.heads[0].taxonomy, target)


def _key(models: Sequence[Classifier], images: NDArray[np.uint8], heads: Sequence[str], temperature: float) -> str:
    digest = hashlib.sha256(f"{list(heads)} {temperature} {_VIEWS}".encode())
    for model in models:
        digest.update(model.model.onnx)
    digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()


class LiveTeachers:
    """Teachers that answer about the views that a student sees, on its device; one of them for each batch.

    A student that hears about each view what a teacher sees in that very view goes on learning from it for longer
    (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", arXiv:2106.05237). Over the
    batches the answers average out to the ensemble's mean, at the cost of one teacher.

    Parameters
    ----------
    sources
        Model folders or names, or folders of runs.
    heads
        Whose probabilities are wanted.
    temperature
        By which the teachers' logits are divided.
    place
        Brings a network to where the run computes.
    logits
        Runs a network on pixels in the number format of the run.

    ``checksum`` is that of all their weights.

    Raises
    ------
    ConfigError
        A teacher cannot be loaded, or lacks a head.
    """

    def __init__(
        self,
        sources: Sequence[str],
        heads: Sequence[str],
        *,
        temperature: float,
        place: Callable[[FaceNetwork], FaceNetwork],
        logits: Callable[[Callable[[Tensor], dict[str, Tensor]], Tensor], dict[str, Tensor]],
    ) -> None:
        self.networks = [place(_teacher(source)) for source in sources]
        digest = hashlib.sha256()
        for tensor in (tensor for network in self.networks for tensor in network.state_dict().values()):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        self.checksum = digest.hexdigest()
        for source, network in zip(sources, self.networks, strict=True):
            if lacking := [head for head in heads if head not in network.classes]:
                raise ConfigError(
                    f"distillation.teachers: {source} has no head {', '.join(lacking)}; leave it out, or set "
                    f"distillation.live = false and name {source}/model, which projects what another head says"
                )
        self.heads, self.temperature, self.logits = tuple(heads), temperature, logits

    @torch.no_grad()
    def __call__(self, pixels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Probabilities at the temperature for views ``(B, 1, H, W)`` in 0..255: ``(B, classes)`` by head."""
        drawn = int(torch.randint(len(self.networks), (1,), generator=generator, device=generator.device))
        said = self.logits(self.networks[drawn], pixels)
        return {head: torch.softmax(said[head].float() / self.temperature, dim=1) for head in self.heads}


def _teacher(source: str) -> FaceNetwork:
    try:
        return trained_network(source)
    except UnmaskError as error:
        raise ConfigError(
            f"distillation.teachers: {error}. A live teacher is the folder of a run, or a model whose network can be "
            "trained on: train it first; or set distillation.live = false, which takes any model"
        ) from None
