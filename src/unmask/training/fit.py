"""The training loop. It notifies and keeps history as data; printing is the caller's."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from unmask.datasets import ferplus
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.datasets.splits import holdout_mask
from unmask.errors import ConfigError, DataError, UnmaskError
from unmask.expressions import TAXONOMIES
from unmask.networks import build_network
from unmask.networks.weights import load_weights
from unmask.training.checkpoint import load_checkpoint, pack, save_checkpoint, unpack
from unmask.training.config import TrainConfig
from unmask.training.precision import autocast, resolve_precision

_AFTER_TRAINING = ("name", "version", "thresholds")  # settings that the weights do not depend on

Notify = Callable[[str, dict[str, Any]], None]
"""Called with ``("batch" | "epoch", record)``."""


@dataclasses.dataclass(frozen=True)
class Targets:
    """Images of a set of rows with a target distribution and a weight per head.

    ``images`` is ``uint8 (N, H, W)``, ``shares[head]`` ``float32 (N, classes)``, ``weights[head]`` ``float32 (N,)``.
    """

    images: Tensor
    shares: dict[str, Tensor]
    weights: dict[str, Tensor]

    def batch(self, rows: Tensor, device: torch.device) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Pixels ``(B, 1, H, W)`` in 0..255, shares and weights of some rows, on the device."""
        pixels = self.images[rows].to(device).unsqueeze(1).float()
        shares = {head: values[rows].to(device) for head, values in self.shares.items()}
        return pixels, shares, {head: values[rows].to(device) for head, values in self.weights.items()}


def make_targets(dataset: FaceDataset, heads: list[str], *, label_smoothing: float = 0.0) -> Targets:
    """What each head is to learn from a data set: votes as soft targets, labels as smoothed ones.

    Raises
    ------
    DataError
        The data set lacks what a head needs.
    """
    shares, weights = {}, {}
    for head in heads:
        if head == "ferplus":
            if dataset.votes is None:
                raise DataError("the head 'ferplus' learns from FER+'s votes; give the votes file with --ferplus")
            share, weight = ferplus.distribution(dataset.votes)
        else:
            classes = len(TAXONOMIES[head])
            if dataset.taxonomy.name != head:
                raise DataError(f"the head '{head}' cannot learn from labels of taxonomy '{dataset.taxonomy.name}'")
            hard = np.eye(classes, dtype=np.float32)[np.maximum(dataset.labels, 0)]
            share = hard * (1 - label_smoothing) + np.float32(label_smoothing / classes)
            weight = (dataset.labels != UNLABELLED).astype(np.float32)
        shares[head], weights[head] = torch.from_numpy(share), torch.from_numpy(weight)
    return Targets(torch.from_numpy(dataset.images), shares, weights)


def training_rows(dataset: FaceDataset, *, holdout: float, seed: int) -> tuple[FaceDataset, FaceDataset]:
    """Training without the copies of other splits' images and without faceless rows, and the part of it held out."""
    other = dataset.splits != "Training"
    foreign = np.isin(dataset.groups, dataset.groups[other])
    faces = np.ones(len(dataset), dtype=bool)
    if dataset.votes is not None:
        faces = ferplus.distribution(dataset.votes)[1] > 0
    held = holdout_mask(dataset.groups, holdout, seed=seed)
    usable = ~other & ~foreign & faces
    return dataset.select(usable & ~held), dataset.select(usable & held)


def soft_cross_entropy(logits: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over the batch of the cross-entropy of ``(B, C)`` logits to target distributions."""
    losses = -(shares * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def learning_rate_at(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear rise over ``warmup`` steps, then half a cosine down to 0 at the last step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class Trainer:
    """One run: ``fit`` trains to the configured end, going on from ``folder/checkpoint.safetensors`` when told to."""

    def __init__(self, config: TrainConfig, dataset: FaceDataset, folder: Path, *, device: str = "cpu") -> None:
        self.config, self.folder, self.device = config, folder, torch.device(device)
        self.history_: list[dict[str, Any]] = []
        heads = {head: len(TAXONOMIES[head]) for head in config.heads}
        training, held = training_rows(dataset, holdout=config.holdout, seed=config.seed)
        self.training = make_targets(training, list(heads), label_smoothing=config.label_smoothing)
        self.held_rows = held
        self.held = make_targets(held, list(heads)) if len(held) else None
        torch.manual_seed(config.seed)
        network = build_network(config.network, heads=heads, **config.arguments)
        self.initial = load_weights(network, config.initial) if config.initial else None
        self.precision = resolve_precision(config.precision, self.device)
        # In fp32, oneDNN crashes on channels_last convolutions of fewer than 16 channels (PyTorch 2.13, CPU); in bf16,
        # where channels_last doubles the speed, it does not.
        self.memory_format = torch.channels_last if self.precision == "bf16" else torch.contiguous_format
        self.network = network.to(device=self.device, memory_format=self.memory_format)  # type: ignore[call-overload]
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
        )
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=config.learning_rate,
        )

    @property
    def checkpoint(self) -> Path:
        """Where the run keeps what it needs to go on."""
        return self.folder / "checkpoint.safetensors"

    def fit(self, *, notify: Notify = lambda event, record: None, resume: bool = False) -> nn.Module:
        """Train, and return the averaged network in evaluation mode.

        Raises
        ------
        UnmaskError
            The loss is not finite, or a checkpoint cannot be written; the last good checkpoint stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if resume and self.checkpoint.exists():
            self._restore()
        for epoch in range(len(self.history_), self.config.epochs):
            started = time.perf_counter()
            loss = self._train_epoch(epoch, notify)
            record = {"epoch": epoch + 1, "train_loss": loss, **self._measure()}
            record["seconds"] = round(time.perf_counter() - started, 1)
            self.history_.append(record)
            self._save()
            notify("epoch", record)
        return self.average.module.eval()

    def _train_epoch(self, epoch: int, notify: Notify) -> float:
        # Everything random in an epoch comes from (seed, epoch), so a resumed run draws what an unbroken one would.
        seed = self.config.seed * 100_003 + epoch
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.training.images), generator=generator)
        batches = order.split(self.config.batch_size)
        batches = batches[:-1] if len(batches) > 1 and len(batches[-1]) < 2 else batches
        steps, warmup = self.config.epochs * len(batches), self.config.warmup_epochs * len(batches)
        self.network.train()
        total = 0.0
        for index, rows in enumerate(batches):
            rate = learning_rate_at(epoch * len(batches) + index, steps, warmup, self.config.learning_rate)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            pixels, shares, weights = self.training.batch(rows, self.device)
            pixels = self.config.augmentation(pixels, generator).contiguous(memory_format=self.memory_format)
            loss = self._loss(self._logits(self.network, pixels), shares, weights)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise UnmaskError(
                    f"the loss is {value} in epoch {epoch + 1}, batch {index + 1}; lower learning_rate and go on with "
                    "--resume from the last good epoch"
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.average.update_parameters(self.network)
            total += value
            notify("batch", {"epoch": epoch + 1, "batch": index + 1, "batches": len(batches), "loss": value})
        return total / len(batches)

    def _logits(self, network: nn.Module, pixels: Tensor) -> dict[str, Tensor]:
        with autocast(self.device, self.precision):
            logits: dict[str, Tensor] = network(pixels)
        return logits

    def _loss(self, logits: dict[str, Tensor], shares: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        losses = [
            weight * soft_cross_entropy(logits[head], shares[head], weights[head])
            for head, weight in self.config.heads.items()
        ]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def _measure(self) -> dict[str, float]:
        """Loss and, per head, the share of held-out rows whose likeliest target is predicted, by the average."""
        if self.held is None:
            return {}
        network = self.average.module.eval()
        total, right = 0.0, dict.fromkeys(self.config.heads, 0.0)
        for rows in torch.arange(len(self.held.images)).split(512):
            pixels, shares, weights = self.held.batch(rows, self.device)
            logits = self._logits(network, pixels.contiguous(memory_format=self.memory_format))
            total += float(self._loss(logits, shares, weights)) * len(rows)
            for head in right:
                right[head] += float((logits[head].argmax(1) == shares[head].argmax(1)).sum())
        count = len(self.held.images)
        return {"holdout_loss": total / count} | {f"holdout_{head}": hits / count for head, hits in right.items()}

    def _save(self) -> None:
        moments = {
            f"{index}/{key}": tensor
            for index, state in self.optimizer.state_dict()["state"].items()
            for key, tensor in state.items()
        }
        tensors = pack("network", self.network.state_dict()) | pack("average", self.average.state_dict())
        state = {"config": dataclasses.asdict(self.config), "history": self.history_}
        save_checkpoint(self.checkpoint, tensors | pack("optimizer", moments), state)

    def _restore(self) -> None:
        tensors, state = load_checkpoint(self.checkpoint)
        now = dataclasses.asdict(self.config)
        changed = [key for key in now if key not in _AFTER_TRAINING and state["config"].get(key) != now[key]]
        if changed:
            raise ConfigError(
                f"{self.checkpoint} was made with another configuration ({', '.join(changed)}); "
                "restore it or start in another folder"
            )
        self.network.load_state_dict(unpack("network", tensors))
        self.average.load_state_dict(unpack("average", tensors))
        optimizer = self.optimizer.state_dict()
        optimizer["state"] = {}
        for name, tensor in unpack("optimizer", tensors).items():
            index, key = name.split("/")
            optimizer["state"].setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict(optimizer)
        self.history_ = state["history"]
