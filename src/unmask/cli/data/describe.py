"""``unmask data describe``: what is in a data set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from unmask.cli.loading import add_loading_options, check_outside, load
from unmask.cli.text import counted, tell

BAR_WIDTH = 24


def add_parser(actions: Any) -> None:
    """Register the action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "describe",
        help="classes, splits, pixels, first rows; pictures with --out",
        description="Print what is in a data set. With --out also write a page with histogram, samples and mean face "
        "of each class, and each picture as PNG and SVG. The page holds faces of the data set: mind its licence.",
    )
    add_loading_options(parser, positional=True)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the page and the pictures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, count, print, draw."""
    from unmask.datasets.describe import describe

    if arguments.out:
        from unmask.plots import need_matplotlib

        need_matplotlib()
        check_outside(arguments, {"--out": arguments.out})
    dataset, code = load(arguments)
    figures = describe(dataset)
    print(json.dumps(figures, indent=2) if arguments.format == "json" else text(figures))
    if arguments.out:
        from unmask.datasets.describe_page import write_pictures

        tell(write_pictures(dataset, figures, arguments.out)[0])
    return code


def text(figures: dict[str, Any]) -> str:
    """The figures for people at a terminal."""
    from unmask.writing import printable

    height, width = figures["size"]
    lines = [
        f"{printable(figures['name'])}: {counted(figures['rows'], 'grey face')} of {width} x {height} pixels, "
        f"labels: {figures['taxonomy']}",
        f"sha256 {figures['checksum']}",
    ]
    for split, part in figures["splits"].items():
        lines += ["", *_classes(printable(split), part, figures["codes"])]
    lines += ["", "first rows", "  label  pixels"]
    lines += [
        f"  {'-' if row['label'] < 0 else row['label']:>5}  {str(row['pixels'])[:-1]}, ...]"
        for row in figures["first_rows"]
    ]
    pixels = figures["pixels"]
    lines += [
        "",
        f"grey values: mean {pixels['mean']:.1f}, standard deviation {pixels['std']:.1f}, "
        f"{pixels['min']} to {pixels['max']}",
    ]
    if figures["subjects"] is not None:
        lines.append(f"subjects: {figures['subjects']:,}")
    if figures["ferplus"]:
        lines += ["", *_agreement(figures["ferplus"])]
    return "\n".join(lines)


def _classes(split: str, part: dict[str, Any], codes: dict[int, str]) -> list[str]:
    counts: list[int] = list(part["classes"].values())
    if not any(counts):
        return [f"{split}: {counted(part['rows'], 'image')} without labels"]
    lines = [f"{split}: {counted(part['rows'], 'image')}", "  code  class       images   share"]
    for (code, label), count in zip(codes.items(), counts, strict=True):
        lines.append(
            f"  {code:4}  {label:9} {count:8,}  {count / part['rows']:6.1%}  {bar(count, max(counts))}".rstrip()
        )
    if part["unlabelled"]:
        lines.append(f"        {'no label':9} {part['unlabelled']:8,}")
    return lines


def _agreement(ferplus: dict[str, Any]) -> list[str]:
    kept = ", ".join(f"{count:,} of {split}" for split, count in ferplus["majority_rows"].items())
    lines = [f"FER+'s majority rule keeps {kept}"]
    if ferplus["plurality"]["agree"] is not None:
        lines += [
            f"the label is what most taggers said in {ferplus['plurality']['agree']:.1%} of "
            f"{counted(ferplus['plurality']['rows'], 'image')} for which most named an expression",
            "  of the images with a majority, by the label that the data set gives them:",
            "  class       images   agree",
        ]
        for label, row in ferplus["classes"].items():
            share = "       -" if row["agree"] is None else f"  {row['agree']:6.1%}  {bar(row['agree'], 1)}"
            lines.append(f"  {label:9} {row['rows']:8,}{share}".rstrip())
    return lines


def bar(value: float, highest: float) -> str:
    """A bar of block characters, in eighths; of # where standard output cannot encode blocks."""
    eighths = round(8 * BAR_WIDTH * value / highest) if highest else 0
    blocks: str = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    try:
        blocks.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * round(eighths / 8)
    return blocks
