"""``unmask explain``: what happens inside a network while it reads one face."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.targets import check_targets
from unmask.cli.text import aligned, inert, names
from unmask.cli.values import whole
from unmask.errors import ConfigError, InputError

if TYPE_CHECKING:
    from unmask.explain import Crop, OpenNetwork


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "explain",
        help="look inside a network while it reads one face",
        description="Feature maps, filters, heat over the face (Grad-CAM, occlusion) and the table of layers, as one "
        "page, pictures and data. Works on the ONNX graph of every model (extra 'explain'), and with real gradients on "
        "models that hold weights.safetensors (extra 'train').",
    )
    parser.add_argument("model", help="a name, or a model file")
    parser.add_argument("image", nargs="?", help="a photograph, or with --detector whole a face crop")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the page, the pictures and the data")
    parser.add_argument("--layers", action="store_true", help="print the table of layers and end; needs no image")
    parser.add_argument("--head", metavar="NAME", help="which output of the model to explain, for example fer2013")
    parser.add_argument(
        "--blocks", metavar="NAMES", help="layers whose maps to show, with commas (default: the last map of each size)"
    )
    parser.add_argument("--methods", metavar="NAMES", help="heat to show, with commas (default: grad-cam,occlusion)")
    parser.add_argument(
        "--heat-block", metavar="NAME", help="layer that grad-cam looks at (default: the last map of at least 3 x 3)"
    )
    parser.add_argument(
        "--face", type=whole(), metavar="N", help="which face, from 0, left to right (default: the largest)"
    )
    parser.add_argument("--detector", metavar="NAME", help="as for unmask read; whole takes the picture as a crop")
    parser.add_argument("--engine", choices=("onnx", "torch"), help="default: torch where it can, else onnx")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is printed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open the network, look, write."""
    if not arguments.layers and (arguments.image is None or arguments.out is None):
        raise ConfigError("name an image and --out DIR, or --layers for the table alone")
    if arguments.layers:
        for option in ("out", "head", "blocks", "methods", "heat_block", "face", "detector"):
            if getattr(arguments, option) is not None:
                raise ConfigError(f"--layers prints the table alone; leave out it, or --{option.replace('_', '-')}")
    from unmask.explain import explain, open_network
    from unmask.explain.page import file_names, write_explanation
    from unmask.writing import percent

    network = open_network(arguments.model, engine=arguments.engine)
    if arguments.layers:
        print(_layers_json(network) if arguments.format == "json" else _layers_text(network))
        return 0
    crop = face_crop(arguments.image, network.card.input_size, detector=arguments.detector, face=arguments.face)
    explanation = explain(
        network,
        crop,
        head=arguments.head,
        blocks=names(arguments.blocks),
        methods=names(arguments.methods) or None,
        heat_on=arguments.heat_block,
    )
    for name in file_names(explanation):
        check_targets({"--out": arguments.out / name}, [arguments.image])
    written = write_explanation(arguments.out, explanation, source=Path(arguments.image).name)
    if arguments.format == "json":
        print(json.dumps(explanation.to_json(), indent=2))
    else:
        answer = explanation.taxonomy.labels[explanation.answer]
        print(f"{answer} {percent(explanation.probs[explanation.answer])}: {written}")
    return 0


def face_crop(image: str, size: int, *, detector: str | None, face: int | None) -> Crop:
    """One face of a picture, cut out as the reader cuts it.

    Raises
    ------
    InputError
        The picture cannot be read, has no face, or fewer than asked for.
    """
    from unmask import images
    from unmask.faces import build_detector, crop, left_to_right

    picture = images.load(image)
    found = left_to_right(build_detector(detector).detect(picture))
    if not found:
        raise InputError(f"{image}: no face found; if the picture is a face crop itself, add --detector whole")
    if face is None:
        return crop(picture, max(found, key=lambda d: d.box.width * d.box.height), size=size)
    if not 0 <= face < len(found):
        has = "one face, number 0" if len(found) == 1 else f"{len(found)} faces, numbers 0 to {len(found) - 1}"
        raise InputError(f"{image}: has {has}; there is no --face {face}")
    return crop(picture, found[face], size=size)


def _layers_json(network: OpenNetwork) -> str:
    return json.dumps([layer.to_json() for layer in network.layers], indent=2)


def _layers_text(network: OpenNetwork) -> str:
    from unmask.explain.page import COLUMNS, UNSEEN, cells, totals

    rows = [["layer", *COLUMNS], *([layer.name, *cells(layer)] for layer in network.layers)]
    rows.append(["in all", *totals(network.layers)])
    return inert("\n".join([f"{network.card.identity} ({network.engine})", *aligned(rows, left=3), "", UNSEEN]))
