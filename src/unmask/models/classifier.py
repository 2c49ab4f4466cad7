"""Crops to calibrated probabilities, through ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError, ModelError, UnmaskError
from unmask.models.card import ModelCard
from unmask.models.file import ModelFile, load_model
from unmask.models.runtime import inference_session


def softmax(logits: NDArray[np.floating], *, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities ``(..., C)`` of logits ``(..., C)`` divided by the temperature.

    A temperature above 1 makes a model less sure, below 1 surer; the order of the classes stays (Guo et al.,
    arXiv:1706.04599).
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shares = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


class Classifier:
    """A model ready to run.

    Parameters
    ----------
    model
        The loaded model file.
    threads
        Of ONNX Runtime within one call.

    Raises
    ------
    UnmaskError
        ONNX Runtime cannot be loaded.
    ModelError
        It refuses the network, or the network's inputs and outputs are not those of the card.
    """

    def __init__(self, model: ModelFile, *, threads: int = 1) -> None:
        self.model = model
        try:
            self._session = inference_session(model.onnx, threads=threads)
        except UnmaskError:
            raise
        except Exception as error:  # ONNX Runtime raises classes of its own that share no base but Exception
            raise ModelError(
                f"{model.source or model.card.identity}: ONNX Runtime refuses the network ({error}); fetch, export or "
                "train the model again"
            ) from None
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        missing = {head.output for head in model.card.heads} - outputs.keys()
        inputs = {value.name: value.shape for value in self._session.get_inputs()}
        if missing or [*inputs] != ["crops"]:
            raise ModelError(
                f"model '{model.card.name}': expected input 'crops' and outputs of the card's heads, "
                f"got inputs {[*inputs]} and outputs {sorted(outputs)}"
            )
        sides = {side for side in inputs["crops"][1:] if isinstance(side, int)}
        if sides - {model.card.input_size}:
            raise ModelError(
                f"model '{model.card.name}': its card says crops of {model.card.input_size} pixels, and the network "
                f"takes {' x '.join(map(str, inputs['crops'][1:]))}; restore the files as they were saved"
            )
        for head in model.card.heads:
            scores = outputs[head.output][-1]  # a word where the graph leaves it open
            if isinstance(scores, int) and scores != len(head.taxonomy):
                raise ModelError(
                    f"model '{model.card.name}': its card names {len(head.taxonomy)} labels of head '{head.name}', and "
                    f"the network gives {scores} scores; restore the files as they were saved"
                )

    @classmethod
    def load(cls, name_or_path: str | Path | None = None, *, threads: int = 1) -> Classifier:
        """See :func:`unmask.models.load_model`."""
        return cls(load_model(name_or_path), threads=threads)

    @property
    def card(self) -> ModelCard:
        return self.model.card

    def logits(self, crops: NDArray[np.uint8], *, head: str | None = None, batch: int = 64) -> NDArray[np.float32]:
        """Raw scores of one head (the first by default): crops ``uint8 (N, S, S)`` to ``(N, classes)``.

        Raises
        ------
        DataError
            Crops of another dtype or size.
        """
        size = self.card.input_size
        if crops.dtype != np.uint8 or crops.ndim != 3 or crops.shape[1:] != (size, size):
            raise DataError(f"expected crops uint8 (N, {size}, {size}), got {crops.dtype} {crops.shape}")
        chosen = self.card.head(head)
        parts = [
            self._session.run([chosen.output], {"crops": np.ascontiguousarray(crops[start : start + batch])})[0]
            for start in range(0, len(crops), batch)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(chosen.taxonomy)), dtype=np.float32)

    def probs(self, crops: NDArray[np.uint8], *, head: str | None = None) -> NDArray[np.float64]:
        """Calibrated probabilities ``(N, classes)`` of one head, in its label order."""
        return softmax(self.logits(crops, head=head), temperature=self.card.head(head).temperature)
