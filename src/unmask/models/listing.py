"""What lists of models say about each."""

from __future__ import annotations

from typing import Any

from unmask.models.file import ModelFile


def model_entry(model: ModelFile) -> dict[str, Any]:
    """One model as an object of ``unmask models list --format json``."""
    card = model.card
    return {
        "name": card.name,
        "version": card.version,
        "parameters": card.parameters,
        "macs": card.macs,
        "bytes": len(model.onnx),
        "taxonomy": card.heads[0].taxonomy.name,
        "taxonomies": [head.taxonomy.name for head in card.heads],
        "input": {"size": card.input_size, "channels": "grey"},
        "bundled": model.bundled,
        "licence": card.licence,
        "accuracy": {protocol: figures["accuracy"] for protocol, figures in card.metrics.items()},
    }
