"""``unmask models``: what is there, what it says about itself, and fetching what is not in the package."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from unmask.cli.text import inert


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("models", help="list, show, fetch and export models")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the models inside the package")
    listing.add_argument("--format", choices=("table", "json"), default="table")
    listing.set_defaults(run=_list)

    show = actions.add_parser("show", help="the card of one model")
    show.add_argument("model", nargs="?", help="a name, or a model file (default: the default model)")
    show.add_argument("--format", choices=("text", "json"), default="text")
    show.set_defaults(run=_show)

    fetch = actions.add_parser("fetch", help="bring a published file that is not in the package, checked by its sha256")
    fetch.add_argument("name", help="for example: yunet, a face detector faster than the embedded one")
    fetch.set_defaults(run=_fetch)

    export = actions.add_parser("export", help="pack a model into one .unmask archive")
    export.add_argument("model", help="a name, or a model folder")
    export.add_argument("out", help="the archive to write")
    export.set_defaults(run=_export)


def _list(arguments: argparse.Namespace) -> int:
    from unmask.models import DEFAULT_MODEL, bundled_models, load_model, model_entry

    entries = [model_entry(load_model(name)) for name in bundled_models()]
    if arguments.format == "json":
        json.dump(entries, sys.stdout, indent=2)
        print()
        return 0
    for entry in entries:
        default = " (default)" if entry["name"] == DEFAULT_MODEL else ""
        print(
            f"{entry['name']} {entry['version']}{default}: {entry['parameters']:,} parameters, "
            f"{entry['macs'] / 1e6:.0f} M multiply-adds a face, {entry['bytes'] / 1e6:.1f} MB"
        )
        for protocol, accuracy in entry["accuracy"].items():
            print(f"    {protocol}: {accuracy:.1%} right")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from unmask.models import load_model
    from unmask.models.document import card_markdown

    card = load_model(arguments.model).card
    print(json.dumps(card.to_json(), indent=2) if arguments.format == "json" else inert(card_markdown(card).rstrip()))
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from unmask.cli.progress import Progress
    from unmask.models import store

    with Progress("kB") as progress:

        def received(done: int, size: int) -> None:
            progress.total = size // 1000
            progress.advance(done // 1000 - progress.done)

        path = store.fetch(arguments.name, progress=received)
    print(path)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from unmask.models import find_model, save_archive

    save_archive(find_model(arguments.model), Path(arguments.out))
    print(arguments.out)
    return 0
