"""Print docs/cli.md: the help of every verb, as argparse gives it. A test holds the page to it.

usage: python docs/make_cli.py > docs/cli.md
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

from unmask.cli import build_parser


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all below it."""
    yield parser
    for action in parser._actions:  # argparse has no public way to its subparsers
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


def page() -> str:
    """The whole page; the width of the help is fixed so that it does not depend on the terminal."""
    os.environ["COLUMNS"] = "100"
    parts = ["# Command line", "Made by `python docs/make_cli.py`."]
    for parser in parsers(build_parser()):
        parts.append(f"## `{parser.prog}`\n\n```text\n{parser.format_help().rstrip()}\n```")
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page() + "\n")
