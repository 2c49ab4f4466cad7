"""What teachers say about the training images: computed once, kept in the run's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.errors import ModelError
from unmask.evaluation.views import views_of
from unmask.expressions import TAXONOMIES, project
from unmask.models import Classifier, softmax
from unmask.training.checkpoint import load_checkpoint, save_checkpoint

_VIEWS = 2
"""Each picture and its mirror image are shown to the teachers."""


def teacher_shares(
    teachers: Sequence[str], images: NDArray[np.uint8], heads: Sequence[str], *, temperature: float, cache: Path
) -> dict[str, Tensor]:
    """Mean probabilities of the teachers for a picture and its mirror image at a temperature, by head.

    ``float32 (N, classes)`` each. A teacher without a head of that name answers with its first head, projected.

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
            return shares
    shares = {}
    for head in heads:
        answers = [_answers(model, images, head, temperature) for model in models]
        shares[head] = torch.from_numpy(np.mean(answers, axis=0).astype(np.float32))
    save_checkpoint(cache, shares, {"key": key})
    return shares


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
