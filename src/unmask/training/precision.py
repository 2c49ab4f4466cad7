"""Which device a network runs on, and which number format it computes in without losing time."""

from __future__ import annotations

import torch

from unmask.errors import ConfigError, suggest

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


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


def memory_format(choice: str, precision: str, device: torch.device) -> torch.memory_format:
    """How pictures lie in memory: ``auto`` puts channels last where that is faster.

    On a CPU in fp32 it is not faster, and oneDNN crashes there, or never ends, on strided 1x1 convolutions of fewer
    than 16 channels (in PyTorch 2.13; github.com/uxlfoundation/oneDNN/issues/6035).

    Raises
    ------
    ConfigError
        Channels last in fp32 on a CPU.
    """
    if choice == "channels_last" and precision == "fp32" and device.type == "cpu":
        raise ConfigError("memory_format = 'channels_last' is not for fp32 on a CPU; choose auto")
    faster = precision != "fp32" or device.type == "cuda"
    last = choice == "channels_last" or (choice == "auto" and faster)
    return torch.channels_last if last else torch.contiguous_format
