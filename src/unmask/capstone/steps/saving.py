"""Save, load again, predict: what stays the same to the bit, and what is rounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from unmask.capstone.step import Context, Result
from unmask.capstone.training import own_config
from unmask.datasets.splits import eighty_twenty
from unmask.models import Classifier, load_model, save_archive, save_folder
from unmask.training.fit import Trainer
from unmask.training.trained import trained_network

FACES = 512


def run(context: Context) -> Result:
    """Compare the network of the finished run with what is read back from its files."""
    result = Result()
    own, budget = context.folders["own"], context.budget.own
    model = own / context.results["own"].data["model"]
    seed = budget.parted[0]
    split = eighty_twenty(context.dataset, together=False, seed=seed)
    faces = split.split("Validation").images[:FACES]

    trainer = Trainer(own_config(budget.epochs, seed=seed, together=False), split, model.parent, device=context.device)
    trainer.fit(resume=True)  # at its end already: only reads the checkpoint
    # As weights are read back; another order in memory takes other kernels, which round otherwise.
    kept = trainer.kept.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    in_memory = _logits(kept, faces)
    result.value("saving.weights", _difference(in_memory, _logits(trained_network(model), faces)))

    loaded = load_model(model)
    save_folder(context.folder / "again", loaded.card, loaded.onnx)
    archive = context.folder / "own.unmask"
    save_archive(model, archive)
    first = Classifier.load(model).logits(faces)
    answers = {name: Classifier.load(path).logits(faces) for name, path in _copies(context.folder).items()}
    for name, logits in answers.items():
        result.value(f"saving.{name}", _difference(first, logits))
    rounded = first.argmax(axis=1) == in_memory.argmax(axis=1)
    result.value(
        "saving.onnx",
        _difference(first, in_memory),
        protocol="largest difference of a logit; the file stores the weights in 16 bits",
    )
    result.data |= {
        "faces": len(faces),
        "same_answers": float(rounded.mean()),
        "bytes": {path.name: path.stat().st_size for path in (*sorted(model.iterdir()), archive) if path.is_file()},
    }
    return result


def _copies(folder: Path) -> dict[str, Path]:
    return {"folder": folder / "again", "archive": folder / "own.unmask"}


def _logits(network: torch.nn.Module, faces: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        pixels = torch.from_numpy(faces).unsqueeze(1).float()
        logits: np.ndarray = network(pixels)["fer2013"].numpy()
    return logits


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())
