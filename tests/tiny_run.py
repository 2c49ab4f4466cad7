"""A run of a few seconds on the task of ``data_sets.make_bars``. Needs PyTorch."""

from __future__ import annotations

from unmask.training.augment import Augmentation
from unmask.training.config import TrainConfig

TINY = TrainConfig(
    name="tiny",
    version="0",
    network="resnet",
    arguments={"widths": [4, 8], "blocks": [0, 1], "dropout": 0.1},
    epochs=4,
    warmup_epochs=0,
    batch_size=32,
    learning_rate=0.02,
    ema_decay=0.5,
    holdout=0.2,
    precision="fp32",
    augmentation=Augmentation(rotation=0, zoom=0, shift=0, erase=0),
)
