"""Checkpoints from which a run goes on exactly: tensors as safetensors, everything else as JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unmask.errors import ConfigError, InputError, ModelError
from unmask.parsing import parse_json
from unmask.training.config import TrainConfig
from unmask.training.typed import build_typed
from unmask.writing import replacing

CHECKPOINT = "checkpoint.safetensors"
"""In the folder of a run."""

_LOCK = ".training.lock"
"""In the folder of a run; the file stays, the lock ends with the process."""

_AFTER_TRAINING = ("name", "version", "thresholds", "views", "storage", "measured_split")
"""Settings that the weights do not depend on."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder; the system lifts the lock with the process, however that ends.

    Raises
    ------
    InputError
        Another process trains there, or the folder cannot be written.
    """
    lock = FileLock(folder / _LOCK, blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: another process trains there; wait for its end or choose another folder") from None
    except NotImplementedError:  # a file system without locks: there nothing can be kept out
        pass
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None
    try:
        yield
    finally:
        lock.release()


def save_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write a checkpoint, replacing the last one only when the new one is whole.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written; the last checkpoint stays.
    """
    try:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with replacing(path) as part:
            save_file(contiguous, part, metadata={"state": json.dumps(state)})
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: checkpoint not written ({error}); free some space and go on with --resume") from None


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of a checkpoint. Raises ModelError when the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            # Copied, since what the file gives is the file itself, which Windows does not replace while it is in use.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a mapping)
            state = parse_json((file.metadata() or {})["state"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a checkpoint of unmask ({error}); start the run anew without --resume") from None
    return tensors, state


def save_run(
    path: Path,
    config: TrainConfig,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    data: str,
    teachers: str,
    best: Mapping[str, Tensor],
    history: list[dict[str, Any]],
) -> None:
    """Write everything from which a run goes on.

    ``data`` is the fingerprint of the data set, ``teachers`` the checksum of those who teach.

    Raises InputError as :func:`save_checkpoint` does.
    """
    moments = {
        f"{name}/{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }
    tensors = (
        pack("network", network.state_dict())
        | pack("average", average.state_dict())
        | pack("best", best)
        | pack("optimizer", moments)
    )
    state = {
        "config": config.to_json(),
        "data": data,
        "history": history,
        "scaler": scaler.state_dict(),
        "teachers": teachers,
    }
    save_checkpoint(path, tensors, state)


def restore_run(
    path: Path,
    config: TrainConfig,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    data: str,
) -> tuple[dict[str, Tensor], list[dict[str, Any]], str]:
    """Fill all parts of a run from its checkpoint, and return the best weights, the history and the teachers' checksum.

    Raises
    ------
    ModelError
        The file is no checkpoint.
    ConfigError
        It was made with other settings, which the message names, or with other data.
    """
    tensors, state = load_checkpoint(path)
    _check_made_with(path, state, config, data)
    network.load_state_dict(unpack("network", tensors))
    average.load_state_dict(unpack("average", tensors))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": _moments(path, network, optimizer, tensors)})
    scaler.load_state_dict(state["scaler"])
    return unpack("best", tensors), state["history"], state.get("teachers", "")


def check_run(path: Path, config: TrainConfig, *, data: str) -> None:
    """Raise as :func:`restore_run` does where a checkpoint is not one of this configuration and data."""
    _check_made_with(path, load_checkpoint(path)[1], config, data)


def _check_made_with(path: Path, state: dict[str, Any], config: TrainConfig, data: str) -> None:
    now, then = config.to_json(), build_typed(TrainConfig, state["config"], str(path)).to_json()
    changed = [key for key in now if key not in _AFTER_TRAINING and then[key] != now[key]]
    if changed:
        raise ConfigError(
            f"{path} was made with another configuration ({', '.join(changed)}); restore it or start in another folder"
        )
    if state.get("data") != data:
        raise ConfigError(f"{path} was made with other data, labels or splits; restore them or start in another folder")


def _moments(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> dict[int, dict[str, Tensor]]:
    """The optimiser's state by the number that it gives each parameter."""
    parameters = dict(network.named_parameters())
    names = {parameter: name for name, parameter in parameters.items()}
    ordered = [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in unpack("optimizer", tensors).items():
        parameter, _, key = name.rpartition("/")
        if parameter not in ordered:
            raise ModelError(
                f"{path}: was written by another version of unmask; start in another folder, initial naming this one"
            )
        if tensor.shape == parameters[parameter].shape:
            # In the parameter's memory format: fused optimisers go through both side by side as they lie in memory.
            tensor = torch.empty_like(parameters[parameter], requires_grad=False).copy_(tensor)
        moments.setdefault(ordered.index(parameter), {})[key] = tensor
    return moments


def pack(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``prefix/``."""
    return {f"{prefix}/{name}": torch.as_tensor(tensor) for name, tensor in tensors.items()}


def unpack(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that were packed under ``prefix/``."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}
