"""``unmask train``: from a recipe and a data set to a model file."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.loading import add_loading_options, check_outputs, check_outside, load
from unmask.cli.text import counted, layers, tell
from unmask.cli.values import MOST_THREADS, file_with, whole

if TYPE_CHECKING:
    from unmask.cli.progress import Progress
    from unmask.training.config import TrainConfig
    from unmask.training.fit import Notify, Trainer


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "train",
        help="train a network from a recipe",
        description="Train a network from a recipe (TOML). The run's folder keeps the resolved configuration, a "
        "checkpoint after every epoch, the history with its curves, and at the end the model OUT/model, calibrated and "
        "measured. Started by torchrun, several processes train together.",
    )
    add_run_arguments(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the last epoch in OUT")
    parser.add_argument("--int8", action="store_true", help="also write OUT/model_int8, calibrated on training images")
    parser.add_argument("--log", choices=("tensorboard",), help="also write OUT/tensorboard")
    parser.add_argument(
        "--gallery",
        type=file_with(".png"),
        metavar="FILE.png",
        help="draw the recipe's augmentation on training pictures, and end",
    )
    parser.set_defaults(run=run)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command that trains takes."""
    parser.add_argument("--config", required=True, metavar="FILE.toml", help="the recipe, or a run's config.json")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one value of the recipe"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="threads of PyTorch (default: all cores)")
    add_loading_options(parser)


_LIBRARIES = ("torch", "safetensors", "filelock", "onnx", "onnxscript", "matplotlib")
"""Of the extra ``train``; the last three are used only when a run is over."""


def need_torch(threads: int | None, device: str) -> None:
    """Set PyTorch's threads, and see that the device is there, and all libraries, before anything is loaded.

    Raises
    ------
    MissingExtraError
        PyTorch, or another library of the extra ``train``, is not installed.
    ConfigError
        The machine has no such device.
    """
    from unmask.errors import MissingExtraError

    for library in _LIBRARIES:
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    from unmask.training.precision import resolve_device

    resolve_device(device)


def run(arguments: argparse.Namespace) -> int:
    """Train, export, measure."""
    need_torch(arguments.threads, arguments.device)

    from unmask.errors import InputError
    from unmask.plots import to_svg
    from unmask.training.checkpoint import CHECKPOINT
    from unmask.training.config import CONFIG, load_config
    from unmask.training.finish import finish, finish_int8, lacks
    from unmask.training.fit import Trainer
    from unmask.training.parallel import joined
    from unmask.training.pictures import curves
    from unmask.writing import write_whole

    out = Path(arguments.out)
    # A run that goes on may be told its own configuration.
    recipe = {} if arguments.resume or arguments.gallery else {"--out": out / CONFIG}
    check_outputs(arguments, {**recipe, "--gallery": arguments.gallery}, arguments.config)
    check_outside(arguments, {"--out": out, "--gallery": arguments.gallery})
    config = load_config(arguments.config, arguments.set)
    if (out / CHECKPOINT).exists() and not (arguments.resume or arguments.gallery):
        raise InputError(f"{out} holds a run already; go on with --resume, or name another folder")
    with joined(arguments.device) as (parallel, device):
        dataset, code = load(arguments)
        if arguments.gallery:
            return _draw_gallery(config, dataset, arguments.gallery)
        trainer = Trainer(config, dataset, out, device=device, parallel=parallel)
        if not parallel.leads:
            trainer.fit(resume=arguments.resume)
            return code
        _announce(trainer)
        for lack in lacks(trainer, dataset):
            tell(lack)
        with ExitStack() as stack:
            trainer.fit(notify=_listeners(config, out, arguments.log, stack), resume=arguments.resume)
        write_whole(out / "curves.svg", to_svg(curves(trainer.history_)))
        cards = {"model": finish(trainer, dataset, out / "model")}
        if arguments.int8:
            cards["model_int8"] = finish_int8(trainer, dataset, out / "model_int8")
    for folder, card in cards.items():
        for protocol, figures in card.metrics.items():
            print(f"{folder}: {protocol}: accuracy {figures['accuracy']:.4f}", file=sys.stderr)
        print(out / folder)
    return code


def _announce(trainer: Trainer) -> None:
    config = trainer.config
    tell(
        f"{len(trainer.training):,} rows to train on, {len(trainer.held_rows):,} held out, "
        f"{sum(p.numel() for p in trainer.network.parameters()):,} parameters, {counted(config.epochs, 'epoch')}, "
        f"{trainer.precision} on {trainer.device}"
    )
    if trainer.initial is not None:
        weights = trainer.initial
        fresh = layers(name.rpartition(".")[0] for name in weights.fresh)
        tell(f"{len(weights.taken)} tensors from {weights.source}; new: {fresh or 'nothing'}")


def _listeners(config: TrainConfig, out: Path, log: str | None, stack: ExitStack) -> Notify:
    from unmask.cli.progress import Progress
    from unmask.training.callbacks import tensorboard, together

    shown = on_terminal(config, stack.enter_context(Progress("batches")))
    return together(shown, stack.enter_context(tensorboard(out / "tensorboard"))) if log else shown


def on_terminal(config: TrainConfig, progress: Progress) -> Notify:
    """A bar over all batches of the run, and a line an epoch."""

    def notify(event: str, record: dict[str, Any]) -> None:
        if event == "batch":
            progress.total = progress.total or (config.epochs - record["epoch"] + 1) * record["batches"]
            place = f"epoch {record['epoch']}/{config.epochs}, batch {record['batch']}/{record['batches']}"
            progress.advance(note=f"{place}  loss {record['loss']:.3f}")
            return
        progress.clear()
        numbers = {key: value for key, value in record.items() if key != "epoch" and not isinstance(value, list)}
        shown = "  ".join(f"{key} {value:.4g}" for key, value in numbers.items())
        print(f"epoch {record['epoch']:3}/{config.epochs}  {shown}", file=sys.stderr, flush=True)

    return notify


def _draw_gallery(config: TrainConfig, dataset: Any, path: Path) -> int:
    from unmask.plots import to_png
    from unmask.training.pictures import recipe_gallery
    from unmask.writing import write_whole

    faces = dataset.split(config.train_split).images[:6]
    write_whole(path, to_png(recipe_gallery(faces, config.augmentation, seed=config.seed)))
    print(path)
    return 0
