"""The training loop. It notifies and keeps history as data; printing is the caller's."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, DataError, UnmaskError
from unmask.expressions import TAXONOMIES
from unmask.models.card import check_input_size
from unmask.networks import FaceNetwork, build_network
from unmask.networks.weights import load_weights
from unmask.training import schedules
from unmask.training.checkpoint import CHECKPOINT, alone_in, restore_run, save_run
from unmask.training.config import CONFIG, TrainConfig, save_config
from unmask.training.distil import LiveTeachers, teacher_shares
from unmask.training.mixing import mixed
from unmask.training.optimisers import climbed, freeze, learning_groups, make_optimiser, running_average, set_rate
from unmask.training.parallel import ALONE, Parallel
from unmask.training.precision import autocast, memory_format, resolve_device, resolve_precision
from unmask.training.targets import (
    Batch,
    Targets,
    epoch_order,
    make_targets,
    soft_cross_entropy,
    training_rows,
    weighted_by_class,
)
from unmask.writing import write_whole

HISTORY = "history.json"
"""In the folder of a run: a record an epoch, with the loss of each batch."""

_SETTLING = 256
"""Training pictures from which norms that the initial weights lack or hold folded take their statistics."""

Notify = Callable[[str, dict[str, Any]], None]
"""Called with ``("batch" | "epoch", record)``."""


def best_record(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The epoch with the lowest loss on the held-out rows, the first of equals: what a run with patience keeps."""
    return min(history, key=lambda record: float(record["holdout_loss"]))


class Trainer:
    """One run: ``fit`` trains to the configured end, going on from ``folder/checkpoint.safetensors`` when told to.

    Parameters
    ----------
    dataset
        With the rows of the configured split, and of the others, whose copies are left out.
    folder
        Of the run; all processes must see it.
    device
        See :func:`unmask.training.precision.resolve_device`.
    parallel
        This process's place among several.

    Raises
    ------
    ConfigError
        The batch is too small for so many processes, or patience has no held-out rows to watch.
    DataError
        Too few rows to learn from, or pictures of a size that no model takes.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: FaceDataset,
        folder: Path,
        *,
        device: str = "cpu",
        parallel: Parallel = ALONE,
    ) -> None:
        self.config, self.folder, self.device, self.parallel = config, folder, resolve_device(device), parallel
        self.history_: list[dict[str, Any]] = []
        self._data = dataset.fingerprint
        self.best_: dict[str, Tensor] = {}
        self.precision = resolve_precision(config.precision, self.device)
        heads = {head: len(TAXONOMIES[head]) for head in config.heads}
        check_input_size(dataset.images.shape[-1], dataset.name)
        if dataset.images.shape[1] != dataset.images.shape[2]:
            raise DataError(
                f"{dataset.name}: crops {dataset.images.shape[1:]} are not square; make them so with --size"
            )
        least = 2 * parallel.world  # norms need two rows in each process
        if config.batch_size < least:
            raise ConfigError(
                f"batch_size = {config.batch_size}: {parallel.world} processes share it, two rows or more each; set it "
                f"to {least} or more"
            )
        rows, self.held_rows = training_rows(
            dataset,
            holdout=config.holdout,
            seed=config.seed,
            split=config.train_split,
            keep_copies=config.keep_copies,
        )
        if len(rows) < least:
            raise DataError(
                f"{dataset.name}: {len(rows)} usable rows of '{config.train_split}' are left to learn from, and "
                f"{least} are needed; add pictures, or start fewer processes"
            )
        self._taught_by = ""
        self.training = self._targets(rows, list(heads))
        self.held = make_targets(self.held_rows, list(heads)) if len(self.held_rows) else None
        if config.patience and self.held is None:
            raise ConfigError(
                f"holdout = {config.holdout} of so few rows or subjects holds none out, and patience needs some; set "
                "holdout higher, or patience = 0"
            )

        torch.manual_seed(config.seed)
        network = build_network(config.network, heads=heads, **config.network_arguments)
        self.memory_format = memory_format(config.memory_format, self.precision, self.device, network)
        self._try(network)
        self.initial = load_weights(network, config.initial) if config.initial else None
        if self.initial:
            some = self.training.batch(torch.arange(len(self.training))[:_SETTLING], torch.device("cpu"))
            network.settle(self.initial.unsettled, some.pixels)
        self.network = self._placed(network)
        self.average = AveragedModel(self.network, multi_avg_fn=running_average(config.ema_decay), use_buffers=True)
        self.optimizer = make_optimiser(self.network, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self._running: nn.Module = self.network
        self._learning = 0

    @property
    def checkpoint(self) -> Path:
        """Where the run keeps what it needs to go on."""
        return self.folder / CHECKPOINT

    @property
    def _parts(self) -> tuple[TrainConfig, nn.Module, nn.Module, torch.optim.Optimizer, torch.amp.GradScaler]:
        """What a checkpoint keeps and restores, in the order in which it takes them."""
        return self.config, self.network, self.average, self.optimizer, self.scaler

    @property
    def kept(self) -> nn.Module:
        """The averaged network in evaluation mode: of the best epoch when the run has patience, else of the last."""
        network = copy.deepcopy(self.average)
        if self.best_:
            network.load_state_dict(self.best_)
        return network.module.eval()

    def fit(
        self, *, notify: Notify = lambda event, record: None, resume: bool = False, until: int | None = None
    ) -> nn.Module:
        """Train, and return the averaged network in evaluation mode.

        Parameters
        ----------
        resume
            Go on from the checkpoint, if there is one.
        until
            Stop after this epoch, at the latest after the last; the schedule stays that of the whole run.

        Raises
        ------
        UnmaskError
            The loss is not finite, or a checkpoint cannot be written; the last good checkpoint stays. Or another
            process trains in the folder.
        """
        if self.config.distillation.live and not (resume and self.checkpoint.exists()):
            _ = self._teachers  # missing ones are told of before anything is written
        with alone_in(self.folder) if self.parallel.leads else nullcontext():
            return self._fit(notify, resume, min(self.config.epochs if until is None else until, self.config.epochs))

    def _fit(self, notify: Notify, resume: bool, until: int) -> nn.Module:
        if resume and self.checkpoint.exists():
            self.best_, self.history_, taught_by = restore_run(self.checkpoint, *self._parts, data=self._data)
            if self._taught_by and taught_by:
                self._check_teachers(taught_by)
            self._taught_by = taught_by or self._taught_by
        if self.parallel.leads:
            save_config(self.folder / CONFIG, self.config)
        for epoch in range(len(self.history_), until):
            if self.parallel.agreed(self._patience_is_spent()):
                break
            started = time.perf_counter()
            record = {"epoch": epoch + 1, **self._train_epoch(epoch, notify)}
            if self.parallel.leads:
                record |= self._measure()
            record["seconds"] = round(time.perf_counter() - started, 1)
            self.history_.append(record)
            if self.parallel.leads:
                self._keep_best()
                self._save()
                notify("epoch", record)
        return self.kept

    def begin(self, epoch: int) -> torch.Generator:
        """Make everything ready for an epoch (from 0): what learns, and where its random numbers come from.

        All of them come from the seed and the epoch, so a resumed run draws what an unbroken one would. They are drawn
        on the device where that is CUDA, which would otherwise wait for the processor.
        """
        if self.config.distillation.live:
            _ = self._teachers  # to build networks draws random numbers, so before these are seeded
        learning = learning_groups(self.config, len(self.network.layer_groups()), epoch)
        freeze(self.network, learning)
        if learning != self._learning:
            compiled: nn.Module = self.network
            if self.config.compile:
                # By itself the compiler would put channels last also where the run does not: see memory_format.
                last = self.memory_format == torch.channels_last
                compiled = torch.compile(self.network, options={"layout_optimization": last})  # type: ignore[assignment] # it is a module
            self._running, self._learning = self.parallel.wrap(compiled, self.device), learning
        seed = self.config.seed * 100_003 + epoch
        torch.manual_seed(seed + 7919 * self.parallel.rank)
        return torch.Generator(self.device if self.device.type == "cuda" else "cpu").manual_seed(seed)

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        """The rows of each batch of one epoch; a last batch too small for norms is left out."""
        if generator.device.type != "cpu":  # on a CPU the order is the same on every host
            generator = torch.Generator().manual_seed(generator.initial_seed())
        order = epoch_order(self.training, self.config.balanced_sampling, generator)
        batches: tuple[Tensor, ...] = order.split(self.config.batch_size)
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) < 2 * self.parallel.world else batches

    def views(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """New views of some rows with their targets."""
        batch = self.training.batch(rows, self.device)
        pixels = self.config.augmentation(batch.pixels, generator)
        view = mixed(replace(batch, pixels=pixels), generator, mixup=self.config.mixup, cutmix=self.config.cutmix)
        if self.config.distillation.live:
            view = replace(view, taught=self._teachers(view.pixels, generator))
        return view

    def step(self, batch: Batch) -> float:
        """Learn from one batch, and return its loss; when that is not finite, nothing is learned."""
        loss = self._loss(self._logits(self._running, batch.pixels), batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            return value
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.config.sam:
            with climbed(self.network, self.config.sam):
                self._loss(self._logits(self._running, batch.pixels), batch).backward()
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.network)
        return value

    def _train_epoch(self, epoch: int, notify: Notify) -> dict[str, Any]:
        generator = self.begin(epoch)
        batches = self.batches(generator)
        if self.parallel.rank:
            generator.manual_seed(generator.initial_seed() + 104_729 * self.parallel.rank)
        losses: list[float] = []
        for index, rows in enumerate(batches):
            rate = self._set_rate(epoch, index, len(batches))
            loss = self.step(self.views(self.parallel.share(rows), generator))
            if not math.isfinite(loss):
                raise self._not_finite(epoch, f"the loss is {loss}", f"batch {index + 1}")
            losses.append(loss)
            notify("batch", {"epoch": epoch + 1, "batch": index + 1, "batches": len(batches), "loss": loss})
        if not all(bool(torch.isfinite(p).all()) for p in self.network.parameters()):
            raise self._not_finite(epoch, "a weight is not finite", "the end")
        return {
            "learning_rate": rate,
            "train_loss": sum(losses) / len(losses),
            "batch_losses": [round(loss, 4) for loss in losses],
        }

    def _set_rate(self, epoch: int, index: int, batches: int) -> float:
        """Set the learning rate of a step. The frozen epochs have a schedule of their own, and so has the rest."""
        config, frozen = self.config, self.config.transfer.frozen_epochs
        first, last = (0, frozen) if epoch < frozen else (frozen, config.epochs)
        step, steps = (epoch - first) * batches + index, (last - first) * batches
        warmup = round(steps * config.warmup_epochs / config.epochs)
        peak = (config.transfer.frozen_rate or config.learning_rate) if epoch < frozen else config.learning_rate
        rate = peak * schedules.SCHEDULES[config.schedule](step, steps, warmup)
        cycles = config.schedule == "one-cycle"
        set_rate(self.optimizer, rate, schedules.cycled_momentum(step, steps, warmup) if cycles else None)
        return rate

    def _logits(self, network: Callable[[Tensor], dict[str, Tensor]], pixels: Tensor) -> dict[str, Tensor]:
        with autocast(self.device, self.precision):
            return network(pixels.contiguous(memory_format=self.memory_format))

    def _loss(self, logits: dict[str, Tensor], batch: Batch) -> Tensor:
        losses = []
        for head, weight in self.config.heads.items():
            loss = soft_cross_entropy(logits[head], batch.shares[head], batch.weights[head])
            if batch.taught:
                warm, everywhere = self.config.distillation.temperature, torch.ones_like(batch.weights[head])
                heard = soft_cross_entropy(logits[head] / warm, batch.taught[head], everywhere)
                # The square keeps the gradient as large as at temperature 1.
                loss = loss + self.config.distillation.weight * (warm**2 * heard - loss)
            losses.append(weight * loss)
        return torch.stack(losses).sum()

    @torch.no_grad()
    def _measure(self) -> dict[str, float]:
        """Loss and, per head, the share of held-out rows whose likeliest target is predicted, by the average."""
        if self.held is None:
            return {}
        network = self.average.module.eval()
        total, right, known = 0.0, dict.fromkeys(self.config.heads, 0.0), dict.fromkeys(self.config.heads, 0.0)
        for rows in torch.arange(len(self.held)).split(512):
            batch = self.held.batch(rows, self.device)
            logits = self._logits(network, batch.pixels)
            total += float(self._loss(logits, batch)) * len(rows)
            for head in right:
                has_target = batch.weights[head] > 0
                hits = (logits[head].argmax(1) == batch.shares[head].argmax(1)) & has_target
                right[head] += float(hits.sum())
                known[head] += float(has_target.sum())
        shares = {f"holdout_{head}": hits / max(known[head], 1.0) for head, hits in right.items()}
        return {"holdout_loss": total / len(self.held)} | shares

    def _try(self, network: FaceNetwork) -> None:
        """Raise ConfigError where the network does not take crops of the data's size."""
        side = int(self.training.images.shape[-1])
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(2, 1, side, side))
        except RuntimeError as error:
            raise ConfigError(
                f"network '{self.config.network}' does not take crops of {side} pixels ({error}); set another --size, "
                "or size in the recipe, to which the network enlarges them by itself"
            ) from None
        network.train()

    def _placed(self, network: FaceNetwork) -> FaceNetwork:
        """The network on the run's device, its weights in the run's memory format."""
        placed: FaceNetwork = network.to(device=self.device, memory_format=self.memory_format)  # type: ignore[call-overload]
        return placed

    @cached_property
    def _teachers(self) -> LiveTeachers:
        """Loaded when an epoch begins, so that a run whose epochs are over does without them."""
        teachers = LiveTeachers(
            self.config.distillation.teachers,
            list(self.config.heads),
            temperature=self.config.distillation.temperature,
            place=self._placed,
            logits=self._logits,
        )
        if self._taught_by:
            self._check_teachers(teachers.checksum)
        self._taught_by = teachers.checksum
        return teachers

    def _check_teachers(self, checksum: str) -> None:
        if checksum != self._taught_by:
            raise ConfigError(
                f"{self.checkpoint} learned from teachers with other weights; restore them or start in another folder"
            )

    def _targets(self, rows: FaceDataset, heads: list[str]) -> Targets:
        targets = make_targets(rows, heads, label_smoothing=self.config.label_smoothing)
        distillation = self.config.distillation
        if distillation.teachers and not distillation.live:
            with self.parallel.leading_first():
                taught, self._taught_by = teacher_shares(
                    distillation.teachers,
                    rows.images,
                    heads,
                    temperature=distillation.temperature,
                    cache=self.folder / "teachers.safetensors",
                )
            targets = replace(targets, taught=taught)
        return weighted_by_class(targets, self.config.class_weighting)

    def _epochs_since_best(self) -> int:
        return len(self.history_) - best_record(self.history_)["epoch"] if self.history_ else 0

    def _patience_is_spent(self) -> bool:
        patience = self.config.patience
        return bool(patience) and self.parallel.leads and self._epochs_since_best() >= patience

    def _keep_best(self) -> None:
        if self.config.patience and self._epochs_since_best() == 0:
            self.best_ = {name: value.detach().clone() for name, value in self.average.state_dict().items()}

    def _save(self) -> None:
        save_run(
            self.checkpoint,
            *self._parts,
            data=self._data,
            teachers=self._taught_by,
            best=self.best_,
            history=self.history_,
        )
        write_whole(self.folder / HISTORY, json.dumps(self.history_) + "\n")

    def _not_finite(self, epoch: int, what: str, where: str) -> UnmaskError:
        kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "there is no checkpoint yet"
        go_on = ", with initial naming this run's folder to go on from its weights" if epoch else ""
        return UnmaskError(
            f"{what} in epoch {epoch + 1}, {where}; {kept}. Lower learning_rate (unmask tune rate finds one) or set "
            f"clip_norm, and start the run anew{go_on}"
        )
