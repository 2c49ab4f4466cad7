"""Training throughput: unmask's loop against a bare loop over the same network, and the arithmetic of VGG-19.

The bare loop has its batches ready as tensors and does nothing but forward, backward and the optimiser's step; unmask's
loop also draws, augments, averages and records. The two run in turn, so that a busy machine is fair to both.

The second part times VGG-19's training steps and matrix products in each number format that the processor multiplies
in, and gives both in GFLOP/s; a training step counts as three forward passes, of two operations a multiply-add.

usage: python benchmarks/training_speed.py [--networks study resnet vgg19] [--rounds 5] [--steps 8] [--threads N]
                                           [--batch 128] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unmask.datasets import FaceDataset
from unmask.expressions import FER2013
from unmask.models.graph import count_macs
from unmask.training.config import TrainConfig
from unmask.training.export import to_onnx
from unmask.training.fit import Trainer
from unmask.training.precision import autocast, resolve_precision
from unmask.training.targets import soft_cross_entropy

SHARE = 0.85
PEAK_SHARE = 0.5
PRODUCT = 2048


def random_faces(count: int) -> FaceDataset:
    """Noise in FER2013's form: speed does not depend on what is seen."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 48, 48), dtype=np.uint8)
    return FaceDataset("noise", images, rng.integers(0, 7, count), FER2013, np.full(count, "Training"), "0" * 64)


def new_trainer(network: str, batch: int, steps: int, precision: str, folder: str) -> Trainer:
    """A trainer of a network with the augmentation that is the default."""
    config = TrainConfig(
        "speed", "0", network, heads={"fer2013": 1.0}, epochs=1000, batch_size=batch, holdout=0.0, precision=precision
    )
    return Trainer(config, random_faces(batch * steps), Path(folder))


def unmask_seconds(trainer: Trainer, steps: int) -> float:
    """Seconds a step of unmask's own loop, without the end of the epoch."""
    times: list[float] = []
    trainer.fit(until=len(trainer.history_) + 1, notify=lambda event, record: times.append(time.perf_counter()))
    batches = times[:steps]
    return (batches[-1] - batches[0]) / (steps - 1)


def bare_seconds(trainer: Trainer, steps: int) -> float:
    """Seconds a step of the bare loop over the same network."""
    batches = [trainer.training.batch(rows, trainer.device) for rows in trainer.batches(trainer.begin(0))]
    pixels = [batch.pixels.contiguous(memory_format=trainer.memory_format) for batch in batches]
    times = []
    for batch, ready in zip(batches[:steps], pixels, strict=False):
        with autocast(trainer.device, trainer.precision):
            logits = trainer.network(ready)
        loss = soft_cross_entropy(logits["fer2013"], batch.shares["fer2013"], batch.weights["fer2013"])
        trainer.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        trainer.optimizer.step()
        times.append(time.perf_counter())
    return (times[-1] - times[0]) / (len(times) - 1)


def loops(network: str, *, batch: int, steps: int, rounds: int) -> dict[str, Any]:
    """Both loops in turn; the median of the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = new_trainer(network, batch, steps, "auto", folder)
        pairs = [(unmask_seconds(trainer, steps), bare_seconds(trainer, steps)) for _ in range(rounds + 1)][1:]
    ours, bare = (batch / statistics.median(times) for times in zip(*pairs, strict=True))
    share = statistics.median(b / a for a, b in pairs)
    return {"network": network, "precision": trainer.precision, "unmask": ours, "bare": bare, "share": share}


def best_seconds(work: Callable[[], object], rounds: int) -> float:
    """The shortest of some runs, after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def arithmetic(precision: str, *, batch: int, rounds: int) -> dict[str, Any]:
    """GFLOP/s of VGG-19's training steps beside those of a matrix product, in one number format."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.randn(PRODUCT, PRODUCT, dtype=kind), torch.randn(PRODUCT, PRODUCT, dtype=kind)
    peak = 2 * PRODUCT**3 / best_seconds(lambda: a @ b, rounds)
    with tempfile.TemporaryDirectory() as folder:
        trainer = new_trainer("vgg19", batch, 1, precision, folder)
        macs = count_macs(to_onnx(trainer.network, ["fer2013"], 48).SerializeToString())
        ready = trainer.training.batch(torch.arange(batch), trainer.device)
        trainer.begin(0)
        reached = 3 * 2 * macs * batch / best_seconds(lambda: trainer.step(ready), rounds)
    return {"precision": precision, "peak": peak / 1e9, "vgg19": reached / 1e9, "share": reached / peak}


def main() -> int:
    """Measure, print, and fail when a loop is slower than it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=["study", "resnet"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results: dict[str, Any] = {"threads": arguments.threads, "batch": arguments.batch, "loops": [], "arithmetic": []}
    for network in arguments.networks:
        row = loops(network, batch=arguments.batch, steps=arguments.steps, rounds=arguments.rounds)
        results["loops"].append(row)
        print(
            f"{network} {row['precision']}: {row['unmask']:,.0f} images/s, bare loop {row['bare']:,.0f}: "
            f"{row['share']:.0%} (limit {SHARE:.0%})",
            flush=True,
        )
    fast = resolve_precision("auto", torch.device("cpu"))
    for precision in ("fp32", *(["bf16"] if fast == "bf16" else [])):
        row = arithmetic(precision, batch=min(arguments.batch, 32), rounds=2)
        results["arithmetic"].append(row)
        print(
            f"VGG-19 {precision}: {row['vgg19']:,.0f} GFLOP/s, matrix product {row['peak']:,.0f} GFLOP/s: "
            f"{row['share']:.0%}",
            flush=True,
        )
    if fast != "bf16":
        print("VGG-19 bf16: not measured, this processor does not multiply in it")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    slow = [row for row in results["loops"] if row["share"] < SHARE]
    slow += [row for row in results["arithmetic"] if row["precision"] == "bf16" and row["share"] < PEAK_SHARE]
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
