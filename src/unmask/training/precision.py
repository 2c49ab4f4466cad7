"""Which device a network runs on, and which number format it computes in without losing time."""

from __future__ import annotations

import torch
from torch import nn

from unmask.errors import ConfigError, suggest

PRECISIONS = ("auto", "fp32", "bf16", "fp16")

_NARROW = 16  # channels


def resolve_device(name: str) -> torch.device:
    """The device of this name: ``cpu``, or ``cuda``, ``cuda:1``, ``mps`` and so on where the machine has them.

    Raises
    ------
    ConfigError
        PyTorch finds no such device here; the message names those that it finds.
    """
    found = ["cpu"]
    if torch.accelerator.is_available() and (kind := torch.accelerator.current_accelerator()):
        found += [kind.type, *(f"{kind.type}:{number}" for number in range(torch.accelerator.device_count()))]
    if name not in found:
        raise ConfigError(f"PyTorch finds no device '{name}' on this machine; {suggest(name, found)}")
    return torch.device(name)


def resolve_precision(precision: str, device: torch.device) -> str:
    """``fp32``, ``bf16`` or ``fp16``: what is asked for, or with ``auto`` bf16 where the hardware multiplies in it.

    Processors without such instructions compute bf16 far more slowly than fp32, so ``auto`` leaves it there.

    Raises
    ------
    ConfigError
        fp16 on a CPU, which has neither the instructions nor the range for it.
    """
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("precision = 'fp16' is not for a CPU; choose auto, bf16 or fp32")
    if precision != "auto":
        return precision
    return "bf16" if _has_bf16(device) else "fp32"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # PyTorch has these questions without a promise; a version that drops one answers no.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network of a resolved precision runs."""
    kind = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, kind, enabled=precision != "fp32")


def memory_format(choice: str, precision: str, device: torch.device, network: nn.Module) -> torch.memory_format:
    """How pictures lie in memory: ``auto`` puts channels last where that is faster, and not where it crashes.

    On a CPU with channels last, oneDNN writes where it must not, or never ends, while it learns strided 1x1
    convolutions of fewer than 16 channels (in PyTorch 2.13; github.com/uxlfoundation/oneDNN/issues/6035). In fp32 it is
    not faster there either.

    Raises
    ------
    ConfigError
        Channels last on a CPU, in fp32 or of a network with such convolutions.
    """
    on_cpu = device.type == "cpu"
    crashes = on_cpu and any(_is_narrow(module) for module in network.modules())
    if choice == "channels_last" and on_cpu and precision == "fp32":
        raise ConfigError("memory_format = 'channels_last' is not for fp32 on a CPU; choose auto")
    if choice == "channels_last" and crashes:
        raise ConfigError(
            "memory_format = 'channels_last' crashes on a CPU with strided 1x1 convolutions of fewer than 16 channels, "
            "which this network has; choose auto, or a network whose first width is 16 or more"
        )
    faster = not crashes and (precision != "fp32" or device.type == "cuda")
    last = choice == "channels_last" or (choice == "auto" and faster)
    return torch.channels_last if last else torch.contiguous_format


def _is_narrow(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and max(module.kernel_size) == 1
        and max(module.stride) > 1
        and module.in_channels < _NARROW
    )
