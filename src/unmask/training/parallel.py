"""Several processes that train one network, each on its share of every batch, through PyTorch's own DDP.

``torchrun`` starts the processes, on one host or many, and tells each its number by environment variables. See
docs/decisions/parallel.md for why this and no other library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from unmask.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Parallel:
    """One process among those that train together: number ``rank`` of ``world``."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process measures, writes and reports."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """The rows of a batch that are this process's; each gets as many, so a remainder is left out."""
        even = len(rows) - len(rows) % self.world
        return rows[:even][self.rank :: self.world]

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with its gradients averaged over the processes; called anew when other layers begin to learn."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)

    def agreed(self, decision: bool) -> bool:
        """The leading process's decision, known to all."""
        if self.world == 1:
            return decision
        device = torch.device("cuda", torch.cuda.current_device()) if distributed.get_backend() == "nccl" else None
        flag = torch.tensor([int(decision)], device=device)
        distributed.broadcast(flag, src=0)
        return bool(flag.item())

    @contextmanager
    def leading_first(self) -> Iterator[None]:
        """The leading process goes through the block, then the others: it writes a file, they find it there."""
        if not self.leads:
            self.agreed(True)
        try:
            yield
        finally:
            if self.leads:
                self.agreed(True)


_PATIENCE = timedelta(hours=6)
"""How long processes wait for the leading one, which may have teachers to ask; torchrun ends all when one dies."""

ALONE = Parallel()
"""The only process."""


@contextmanager
def joined(device: str) -> Iterator[tuple[Parallel, str]]:
    """The place of this process as torchrun told it, and its own device; alone when torchrun did not start it.

    Raises
    ------
    ConfigError
        There are more processes on this host than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE, device
        return
    if device.startswith("cuda"):
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise ConfigError(f"process {local} of this host has no GPU; start at most {torch.cuda.device_count()}")
        torch.cuda.set_device(local)
        device = f"cuda:{local}"
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    try:
        yield Parallel(distributed.get_rank(), world), device
    finally:
        distributed.destroy_process_group()
