"""Runs in processes of their own: killed at any moment and resumed, and several that train together."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from data_sets import make_bars, write_csv

from unmask.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

RECIPE = """
name = "tiny"
version = "0"
network = "resnet"
arguments = { widths = [4, 8], blocks = [0, 1] }
heads = { fer2013 = 1.0 }
epochs = 12
warmup_epochs = 1
schedule = "one-cycle"
batch_size = 16
learning_rate = 0.01
ema_decay = 0.9
holdout = 0.2
precision = "fp32"
mixup = 0.2
"""


def environment() -> dict[str, str]:
    """One thread a process, so that two machines or moments add up numbers in the same order."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def test_killed_and_resumed_is_the_same_to_the_bit(tmp_path: Path) -> None:
    """Killed twice at random moments and resumed, a run ends with every tensor of an unbroken one, bit for bit."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    data = write_csv(make_bars(), tmp_path / "bars.csv")

    def command(out: str) -> list[str]:
        options = ["--config", str(tmp_path / "recipe.toml"), "--data", str(data), "--out", str(tmp_path / out)]
        return [sys.executable, "-m", "unmask", "train", *options, "--resume", "--threads", "1"]

    subprocess.run(command("whole"), check=True, capture_output=True, env=environment())
    moment = random.Random()  # a new moment each time the test runs
    for _ in range(2):
        process = subprocess.Popen(
            command("broken"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment()
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch"):
                break
        time.sleep(moment.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    subprocess.run(command("broken"), check=True, capture_output=True, env=environment())
    (whole, state), (broken, again) = (
        load_checkpoint(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "broken")
    )
    assert whole.keys() == broken.keys()
    assert [name for name, value in whole.items() if not torch.equal(value, broken[name])] == []
    assert [record["batch_losses"] for record in state["history"]] == [r["batch_losses"] for r in again["history"]]


TOGETHER = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import torch
from data_sets import make_bars
from safetensors.torch import save_file
from torch import nn

from unmask.networks import FaceNetwork, register_network
from unmask.networks.base import linear_heads, standardise
from unmask.training.augment import Augmentation
from unmask.training.config import Distillation, TrainConfig, Transfer
from unmask.training.fit import Trainer
from unmask.training.parallel import joined


class Plain(FaceNetwork):
    # Without norms and dropout, so that a row's gradient does not depend on the rows beside it.
    def __init__(self, *, heads):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=4)
        self.heads = linear_heads(4, heads)

    def features(self, pixels):
        return torch.relu(self.conv(standardise(pixels)))

    def layer_groups(self):
        return [[self.conv], [self.heads]]


register_network("plain", Plain)
torch.set_num_threads(1)
config = TrainConfig(
    name="plain", version="0", network="plain", heads={"fer2013": 1.0}, epochs=4, warmup_epochs=1, batch_size=32,
    learning_rate=0.02, ema_decay=0.5, holdout=0.2, precision="fp32", clip_norm=0.5, optimiser="sgd",
    transfer=Transfer(frozen_epochs=1), patience=3, keep_copies=True, distillation=Distillation(teachers=("nano",)),
    augmentation=Augmentation(rotation=0, zoom=0, shift=0, brightness=0, contrast=0, flip=0, erase=0),
)
out = Path(sys.argv[1])
with joined("cpu") as (parallel, device):
    trainer = Trainer(config, make_bars(), out, device=device, parallel=parallel)
    trainer.fit(until=2)
    trainer.fit()
    save_file(trainer.network.state_dict(), out / f"rank{parallel.rank}of{parallel.world}.safetensors")
"""


def test_two_processes_learn_as_one(tmp_path: Path) -> None:
    """Two processes end with the same weights, which are, to rounding, those of one process with the same batches.

    What the teacher says is written by one of them and read by the other.
    """
    (tmp_path / "script.py").write_text(TOGETHER)
    arguments = [str(tmp_path / "script.py"), str(tmp_path), str(Path(__file__).parent)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*torchrun, *arguments], check=True, capture_output=True, env=environment(), timeout=240)
    assert (tmp_path / "checkpoint.safetensors").exists()
    (tmp_path / "checkpoint.safetensors").unlink()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment(), timeout=240)
    from safetensors.torch import load_file

    first, second, alone = (load_file(tmp_path / f"rank{name}.safetensors") for name in ("0of2", "1of2", "0of1"))
    for name, value in first.items():
        assert torch.equal(value, second[name])
        torch.testing.assert_close(value, alone[name], atol=1e-5, rtol=1e-4)
