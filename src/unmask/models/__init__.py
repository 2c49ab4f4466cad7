"""Model files and how they are run: the card, the ONNX session, the models inside the package."""

from __future__ import annotations

from unmask.models.card import Head, ModelCard, Thresholds
from unmask.models.classifier import Classifier, softmax
from unmask.models.file import (
    ARCHIVE_SUFFIX,
    DEFAULT_MODEL,
    ModelFile,
    bundled_models,
    find_model,
    load_model,
    save_archive,
    save_folder,
)
from unmask.models.listing import model_entry

__all__ = [
    "ARCHIVE_SUFFIX",
    "DEFAULT_MODEL",
    "Classifier",
    "Head",
    "ModelCard",
    "ModelFile",
    "Thresholds",
    "bundled_models",
    "find_model",
    "load_model",
    "model_entry",
    "save_archive",
    "save_folder",
    "softmax",
]
