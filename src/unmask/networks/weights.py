"""Weights for a network: where they are looked for, how a file is read, and what is refused.

Nothing is downloaded here: ``unmask models fetch NAME`` does that when a user asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load
from torch import Tensor, nn

from unmask.errors import ModelError, UnknownModelError, UnmaskError, suggest
from unmask.models import ARCHIVE_SUFFIX, bundled_models, load_model, store
from unmask.models.file import GRAPH_FILE, WEIGHTS_FILE, read_members
from unmask.networks import build_network
from unmask.networks.base import FaceNetwork
from unmask.networks.folded import read_graph, unfolded

_AVERAGE = "average/module."  # names of the averaged weights in a run's checkpoint
_MAX_LISTED = 12  # differences that an error message lists

_PUBLISHED = {name: file for name, file in store.FETCHABLE.items() if file.file_name.endswith(".pth")}
"""Without the face detector, which is a graph."""


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What a network took from a file: names taken, names left as the network made them, names not used.

    ``folded`` are those of norms that the file, a graph, holds as biases; they are among the names taken.
    """

    source: str
    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    folded: tuple[str, ...] = ()

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Names of what may lack statistics of its own: see :meth:`unmask.networks.base.FaceNetwork.settle`."""
        return self.fresh + self.folded


def load_weights(network: nn.Module, source: str | Path) -> LoadedWeights:
    """Fill a network with weights.

    Parameters
    ----------
    network
        Built and not yet trained.
    source
        A ``.safetensors`` or ``.pth`` file; a model folder, a ``.unmask`` archive or the name of a model inside the
        package (its ``weights.safetensors``, else its graph: see :mod:`unmask.networks.folded`); a run's folder (its
        averaged weights); or the name of a published file (``unmask models fetch`` lists them).

    Raises
    ------
    ModelError
        The file is missing, damaged, or its names and shapes are not the network's; the message lists the differences.
    UnknownModelError
        Neither a file nor a known name.
    """
    path = find_weights(source)
    packed = read_members(path, (WEIGHTS_FILE, GRAPH_FILE)) if path.suffix == ARCHIVE_SUFFIX else {}
    if path.name == GRAPH_FILE or (packed and WEIGHTS_FILE not in packed):
        _check_network(network, path)
        tensors, folded = unfolded(network, read_graph(path, packed.get(GRAPH_FILE)), path)
        return replace(fill(network, tensors, source=str(path)), folded=tuple(folded))
    return fill(network, read_tensors(path, packed.get(WEIGHTS_FILE)), source=str(path))


def find_weights(source: str | Path) -> Path:
    """The file that a source names; see :func:`load_weights`."""
    path, name = Path(source), str(source)
    if path.is_file():
        return path
    folder = bundled_models().get(name, path)
    if folder.is_dir():
        for file in (WEIGHTS_FILE, f"model/{WEIGHTS_FILE}", "checkpoint.safetensors", GRAPH_FILE):
            if (folder / file).is_file():
                return folder / file
        raise ModelError(
            f"{name}: holds no {WEIGHTS_FILE} and no {GRAPH_FILE}, so nothing can start from it; name the folder of a "
            "model or of a run, or a file of weights"
        )
    if name not in _PUBLISHED:
        known = [*bundled_models(), *_PUBLISHED]
        raise UnknownModelError(f"no weights '{name}': neither a file nor a known name; {suggest(name, known)}")
    found = find_published(name)
    if found is None:
        raise ModelError(f"the published weights '{name}' are not on this machine; run: unmask models fetch {name}")
    return found


def find_published(name: str) -> Path | None:
    """The published file of this name, fetched or in the cache of PyTorch's hub; None where it is in neither.

    Raises
    ------
    ModelError
        What was fetched is damaged.
    """
    return store.find(name) or _in_torch_cache(_PUBLISHED[name])


def _in_torch_cache(file: store.RemoteFile) -> Path | None:
    """The file in the cache of PyTorch's hub, where torchvision keeps what it downloads, if it is the right one."""
    cache = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    try:
        path = Path(cache, "hub", "checkpoints", file.file_name).expanduser()
    except RuntimeError:  # no home folder
        return None
    return path if store.is_published(path, file) else None


def read_tensors(path: Path, content: bytes | None = None) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a ``.pth`` file, from which nothing but tensors is taken.

    Parameters
    ----------
    content
        Of a ``.safetensors`` file, where the file is an archive that holds it.

    Raises
    ------
    ModelError
        The file is damaged or holds something else.
    """
    try:
        if content is not None:
            tensors = load(content)
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that is no pickle, the parser raises whatever its bytes lead to
        reason = getattr(error, "strerror", None) or "damaged, or not a file of tensors alone"
        raise ModelError(
            f"{path}: weights cannot be read ({reason}); fetch the file again, or save the network's state_dict()"
        ) from None
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ModelError(f"{path}: expected a table of tensors by name; save the network's state_dict()")
    average = {name.removeprefix(_AVERAGE): value for name, value in tensors.items() if name.startswith(_AVERAGE)}
    return average or dict(tensors)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> LoadedWeights:
    """Put tensors into a network, name by name.

    Only heads, and layers that published files do not have, may be missing from the file or left over in it.

    Raises
    ------
    ModelError
        Any other difference in names or shapes; nothing is changed then.
    """
    if wrong := _differences(network, tensors):
        raise ModelError(f"{source}: not the weights of this network:{wrong}")
    state = network.state_dict()
    fresh = [name for name in state if name not in tensors]
    unused = [name for name in tensors if name not in state]
    taken = {name: tensors[name].to(value.dtype) for name, value in state.items() if name in tensors}
    if not taken:
        raise ModelError(f"{source}: holds no weight of this network")
    network.load_state_dict(taken, strict=False)
    return LoadedWeights(source, tuple(taken), tuple(fresh), tuple(unused))


def _differences(network: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """A line each for the first names and shapes that are not the network's; empty where all fit."""
    own = network.own if isinstance(network, FaceNetwork) else ()
    foreign = network.foreign if isinstance(network, FaceNetwork) else ()
    state = network.state_dict()
    wrong = [
        f"{name}: the network has {tuple(value.shape)}, the file {tuple(tensors[name].shape)}"
        for name, value in state.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    # Files from before PyTorch 0.4.1 do not count batches; the count is not used here.
    wrong += [
        f"{name}: not in the file"
        for name in state
        if name not in tensors and not name.startswith(own) and "num_batches_tracked" not in name
    ]
    wrong += [f"{name}: not in the network" for name in tensors if name not in state and not name.startswith(foreign)]
    more = f"\n  ... and {len(wrong) - _MAX_LISTED} more" if len(wrong) > _MAX_LISTED else ""
    return "".join(f"\n  {line}" for line in wrong[:_MAX_LISTED]) + more


def _check_network(network: nn.Module, path: Path) -> None:
    """Raise ModelError where the card beside a graph, or in its archive, tells of another network than this."""
    try:
        card = load_model(path if path.suffix == ARCHIVE_SUFFIX else path.parent).card
        with torch.device("meta"):  # names and shapes alone
            heads = {head.name: len(head.taxonomy) for head in card.heads}
            its_own = build_network(card.network, heads=heads, **card.arguments)
    except (UnmaskError, TypeError):
        return  # without a card, or with one of a network that is not known here, the graph speaks for itself
    if wrong := _differences(network, its_own.state_dict()):
        arguments = ", ".join(f"{name} = {value}" for name, value in card.arguments.items())
        raise ModelError(
            f"{path}: '{card.name}' is the network {card.network} with {arguments or 'no arguments'}, and the recipe's "
            f"is another; set network and arguments so, or name other weights:{wrong}"
        )
