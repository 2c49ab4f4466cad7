"""The study's own values, row by row: what it shows, what it reports, and how near ours must come.

The study is a capstone report of slides, "Unmasking the Face". A row without a value is something that the study shows
or asks, or that we measure besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""The order of the study's confusion matrix."""

CONFUSION = (
    (478, 8, 96, 35, 92, 95, 6),
    (10, 50, 4, 3, 1, 10, 2),
    (73, 7, 436, 21, 89, 163, 66),
    (20, 1, 32, 1267, 72, 27, 20),
    (38, 1, 38, 77, 706, 127, 16),
    (68, 4, 93, 33, 163, 572, 6),
    (16, 1, 72, 38, 15, 6, 467),
)
"""The study's VGG-19 on its 5,741 rows: actual by predicted."""

MOST_CONFUSED = (
    ("fear", "sad", 163),
    ("sad", "neutral", 163),
    ("neutral", "sad", 127),
    ("angry", "fear", 96),
    ("angry", "sad", 95),
)

FIRST_ROWS = ((0, 70, 80, 82), (0, 151, 150, 147), (2, 231, 212, 156), (4, 24, 32, 36), (6, 4, 0, 0))
"""Code and first grey values of the first rows."""


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the study.

    Parameters
    ----------
    key
        Step and quantity, as the step's result names it; of a picture, step and figure.
    part
        Of the study.
    quantity
        What is shown or counted.
    study
        The study's value; None where it has none.
    judged
        How ours is compared: ``exact``; ``near`` (within ``tolerance``); ``draws`` (the study's could be one more of
        our draws); ``recalls`` (each class's share of right answers); ``pairs`` (so many pairs in common); ``most`` (at
        most ``tolerance``); ``shown`` (a picture); ``none``.
    tolerance
        See ``judged``.
    basis
        Where the tolerance comes from.
    trained
        Whether the value depends on how long a network is trained, so that a quick run cannot be compared.
    why
        Why ours may differ.
    """

    key: str
    part: str
    quantity: str
    study: Any = None
    judged: str = "none"
    tolerance: float = 0.0
    basis: str = ""
    trained: bool = False
    why: str = ""


_SPLIT = "95 % interval of the difference of two shares of 5,741 rows, and the study's rounding"
_VGG = "other weights or epochs than the study's, which it does not state; see the section"
_DRAWS = "95 % prediction interval of one more of our draws"
_GRID = "the study states neither its grids nor its draw"

_NAMES = {"pixels": "pixels", "pca": "300 components", "lbp_image": "LBP images"}
_MODELS = {"forest": "random forest", "boosting": "gradient boosting", "svc": "SVC"}
_ACCURACIES = {"pixels": (0.25, 0.26, 0.25), "pca": (0.23, 0.23, 0.26), "lbp_image": (0.18, 0.19, 0.21)}
_PARTS = {"pixels": "Classical models", "pca": "PCA", "lbp_image": "Local binary patterns"}


def _classical(feature: str) -> list[Published]:
    return [
        Published(
            f"classical.{feature}.{model}",
            _PARTS[feature],
            f"{_MODELS[model]} on {_NAMES[feature]}",
            accuracy,
            "draws",
            basis=_DRAWS,
            why=_GRID,
        )
        for model, accuracy in zip(_MODELS, _ACCURACIES[feature], strict=True)
    ]


ROWS: tuple[Published, ...] = (
    Published(
        "data.codes",
        "Objective 1",
        "Codes 0 to 6",
        ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
        "exact",
    ),
    Published("classical.study_bars", "Objective 2", "Features and the models on them, compared", judged="shown"),
    Published("data.labelled", "Data set", "Rows with labels", 28709, "exact"),
    Published("data.training", "Data set", "Rows to train on (80 %)", 22968, "exact"),
    Published("data.validation", "Data set", "Rows to validate on (20 %)", 5741, "exact"),
    Published("data.test", "Data set", "Test rows", 3589, "exact"),
    Published("data.samples", "Data set", "Faces of each class", judged="shown"),
    Published(
        "data.classes",
        "Class imbalance",
        "Training rows of codes 0 to 6",
        [3995, 436, 4097, 7215, 4830, 3171, 4965],
        "exact",
    ),
    Published("data.copies", "Class imbalance", "Share of the 20 % that are copies of images learned from"),
    Published(
        "data.first_rows", "Pre-processing", "First rows: code and grey values", [list(r) for r in FIRST_ROWS], "exact"
    ),
    Published("classical.train", "Pre-processing", "Images to train classical models", 700, "exact"),
    Published("classical.validate", "Pre-processing", "Images to validate them", 350, "exact"),
    *_classical("pixels"),
    Published("classical.components", "PCA", "Components", 300, "exact"),
    Published("classical.eigenfaces", "PCA", "Eigenfaces shown", 24, "exact"),
    Published("classical.explained_variance", "PCA", "Explained-variance curve", judged="shown"),
    Published("classical.reconstructions", "PCA", "Reconstructions", judged="shown"),
    *_classical("pca"),
    Published("classical.lbp", "Local binary patterns", "Before and after", judged="shown"),
    *_classical("lbp_image"),
    Published("data.augmentation", "CNNs", "Augmentation, each ingredient", judged="shown"),
    Published("vgg19.finder_frozen", "VGG-19", "Learning-rate finder, body frozen", judged="shown"),
    Published("vgg19.finder_unfrozen", "VGG-19", "Learning-rate finder, all unfrozen", judged="shown"),
    Published("vgg19.tuning", "VGG-19", "Tuning: losses of each rate", judged="shown"),
    Published("vgg19.curves", "VGG-19", "Training and held-out losses", judged="shown"),
    Published("vgg19.accuracy", "VGG-19", "Accuracy", 0.6926, "near", 0.018, basis=_SPLIT, trained=True, why=_VGG),
    Published("vgg19.macro_f1", "VGG-19", "Macro-F1", 0.675, "near", 0.025, basis=_SPLIT, trained=True, why=_VGG),
    Published(
        "vgg19.confusion",
        "VGG-19",
        "Confusion matrix: recall of each class",
        [list(row) for row in CONFUSION],
        "recalls",
        basis="95 % for all seven classes together (Bonferroni)",
        trained=True,
        why=_VGG,
    ),
    Published(
        "vgg19.most_confused",
        "VGG-19",
        "Most confused pairs",
        [list(pair) for pair in MOST_CONFUSED],
        "pairs",
        3,
        basis="at least three of the five pairs in common",
        trained=True,
        why=_VGG,
    ),
    Published("vgg19.vgg19_losses", "VGG-19", "Top losses with Grad-CAM", judged="shown"),
    Published("suspects.share", "Cleaning?", "Labels that are suspect", trained=True),
    Published("suspects.votes", "Cleaning?", "Suspects whose label FER+'s taggers reject", trained=True),
    Published("suspects.gain", "Cleaning?", "Accuracy gained by leaving the most doubted out", trained=True),
    Published("inside.lesson_stride", "Own model", "Stride", judged="shown"),
    Published("inside.lesson_padding", "Own model", "Padding", judged="shown"),
    Published("inside.lesson_relu", "Own model", "ReLU", judged="shown"),
    Published("inside.lesson_pooling", "Own model", "Pooling", judged="shown"),
    Published("inside.lesson_batch_norm", "Own model", "Batch normalisation", judged="shown"),
    Published("inside.lesson_residual", "Own model", "Residual blocks", judged="shown"),
    Published("own.maps", "Own model", "Sides of the maps", [24, 12, 6, 3, 2, 1], "exact"),
    Published("own.convolutions", "Own model", "Convolutions", 14, "exact"),
    Published("own.linear", "Own model", "Linear layers", 2, "exact"),
    Published("own.parameters", "Own model", "Parameters", 526255, "exact"),
    Published("own.unseen", "Own model", "Share of parameters that no face can reach"),
    Published(
        "own.accuracy",
        "Own model",
        "Accuracy",
        0.61,
        "near",
        0.023,
        basis=_SPLIT,
        trained=True,
        why="the study states neither its epochs nor its rates",
    ),
    Published("own.macro_f1", "Own model", "Macro-F1", trained=True),
    Published("own.curves", "Own model", "Training curves", judged="shown"),
    Published("own.own_confusion", "Own model", "Confusion matrix", judged="shown"),
    Published("inside.blocks", "Own model", "Blocks whose maps are shown for a surprised face", 4, "exact"),
    Published("saving.weights", "Saving the model", "Largest difference after loading the weights", 0.0, "most"),
    Published("saving.folder", "Saving the model", "... after loading a copied model folder", 0.0, "most"),
    Published("saving.archive", "Saving the model", "... after loading the packed archive", 0.0, "most"),
    Published("saving.onnx", "Saving the model", "... between the network and its file in 16 bits"),
    Published("conclusion.own_accuracy", "Conclusions", "The own network's accuracy, left blank", trained=True),
    Published("own.public", "Conclusions", "The same model on PublicTest", trained=True),
    Published("future.votes", "Future work", "Better labels: learned from FER+'s votes", trained=True),
    Published("future.imagenet", "Future work", "A MobileNet from ImageNet weights", trained=True),
    Published("future.faces", "Future work", "A MobileNet from weights trained on faces", trained=True),
    Published("future.scratch", "Future work", "A MobileNet from nothing", trained=True),
    Published("future.small", "Future work", "A better own model, PublicTest"),
    Published("future.film", "Future work", "Expressions in video: frames read"),
)
"""Every row, in the order of the study."""
