"""Listeners of a training run: what becomes of its events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask.errors import MissingExtraError
from unmask.training.fit import Notify


def together(*listeners: Notify) -> Notify:
    """One listener that tells all of them, in order."""

    def notify(event: str, record: dict[str, Any]) -> None:
        for listener in listeners:
            listener(event, record)

    return notify


@contextmanager
def tensorboard(folder: Path) -> Iterator[Notify]:
    """A listener that writes a run's figures for TensorBoard: the loss of each batch, every number of each epoch.

    Raises
    ------
    MissingExtraError
        tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise MissingExtraError("tensorboard", "tensorboard") from None
    writer = SummaryWriter(str(folder))

    def notify(event: str, record: dict[str, Any]) -> None:
        if event == "batch":
            step = (record["epoch"] - 1) * record["batches"] + record["batch"]
            writer.add_scalar("batch/loss", record["loss"], step)
            return
        for key, value in record.items():
            if key != "epoch" and isinstance(value, (int, float)):
                writer.add_scalar(f"epoch/{key}", value, record["epoch"])

    try:
        yield notify
    finally:
        writer.close()
