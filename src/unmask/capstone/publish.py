"""What may be published of a report: its numbers, and the figures in which no single face of the data set is seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmask.capstone.pipeline import STEPS
from unmask.capstone.report import DATA
from unmask.capstone.rows import in_words, mended_in_words, ours_in_words, protocol_in_words
from unmask.capstone.sections import QUICK_MARK
from unmask.errors import InputError
from unmask.parsing import parse_json
from unmask.writing import disk_errors, write_whole

RESULTS = "results.md"

_FACES = ("rows", "words", "top_losses")
"""Of a step's data: what names single rows; it stays out, as the rows do."""


def read_report(place: Path) -> dict[str, Any]:
    """The ``report.json`` at a path, or in the folder there. Raises InputError when there is none that can be read."""
    path = place / DATA if place.is_dir() else place
    try:
        report: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror}); name a folder of unmask capstone --out"
        ) from None
    except ValueError:
        raise InputError(f"{path}: is no JSON; name the report.json that unmask capstone wrote") from None
    return report


def publish(source: Path, folder: Path) -> list[Path]:
    """Copy the numbers and the figures without faces into a folder, and write a page in Markdown that shows them.

    Parameters
    ----------
    source
        The folder that ``unmask capstone --out`` wrote.
    folder
        For example ``docs/capstone``. Figures that an earlier call copied there and this report does not have go.

    Raises
    ------
    InputError
        There is no report, or the disk does not take the files.
    """
    report = read_report(source)
    if not isinstance(report, dict) or not isinstance(report.get("steps"), dict):
        raise InputError(f"{source}: holds no report of unmask capstone; name the folder of its --out")
    written: list[Path] = []
    for name, step in report["steps"].items():
        for figure in step["figures"].values():
            if not figure["shows_faces"]:
                with disk_errors(folder):
                    content = (source / "steps" / name / step["key"] / figure["file"]).read_bytes()
                written.append(folder / "figures" / f"{name}_{figure['file']}")
                write_whole(written[-1], content)
    for old in (folder / "figures").glob("*"):
        if old not in written and old.name.partition("_")[0] in {step.name for step in STEPS}:
            old.unlink()
    write_whole(folder / DATA, json.dumps(_public(report), indent=1) + "\n")
    write_whole(folder / RESULTS, results_page(report))
    return [folder / DATA, folder / RESULTS, *written]


def _public(value: Any) -> Any:
    """The report without what is about single rows, and without figures that are not published."""
    if isinstance(value, Mapping):
        kept = {key: _public(part) for key, part in value.items() if not (key in _FACES and _about_rows(part))}
        if "figures" in kept and isinstance(kept["figures"], Mapping):
            kept["figures"] = {
                name: figure
                for name, figure in kept["figures"].items()
                if not (isinstance(figure, Mapping) and figure.get("shows_faces"))
            }
        return kept
    return [_public(part) for part in value] if isinstance(value, list) else value


def _about_rows(part: Any) -> bool:
    return isinstance(part, list) and not (part and isinstance(part[0], Mapping) and "verdict" in part[0])


def results_page(report: Mapping[str, Any]) -> str:
    """The rows as a table, and every published figure, in Markdown."""
    about = report["about"]
    quick = about["budget"] == "quick"
    note = (
        "**Quick.** Made with `--quick`: small samples and few epochs, every figure from real data; the accuracies "
        "of networks are those of a beginning.\n\n"
        if quick
        else ""
    )
    lines = [
        "# The study's values and ours",
        "",
        f"{note}Made by `unmask capstone{' --quick' if quick else ''}` on {about['date']} with {about['machine']}, in "
        f"{about['seconds'] / 60:.0f} minutes ({about['cpu_seconds'] / 60:.0f} of processor time); unmask "
        f"{about['unmask']}, commit `{about['commit']}`. Training and PublicTest only. `unmask capstone --publish` "
        "wrote this page; figures that show single faces of the data set stay out of it.",
        "",
        "In brackets: 95 % intervals; after ±: the standard deviation over draws or seeds.",
        "",
        "| part | quantity | the study | ours | | mended, or beside it | protocol |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        cells = [row["part"], row["quantity"], in_words(row["study"]), ours_in_words(row), row["verdict"]]
        cells += [mended_in_words(row), protocol_in_words(row)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for name, step in report["steps"].items():
        shown = [figure for figure in step["figures"].values() if not figure["shows_faces"]]
        if shown:
            lines += ["", f"## {step['title']}", ""]
        for figure in shown:
            caption = figure["caption"] + (QUICK_MARK if quick else "")
            lines += [f"![{figure['caption']}](figures/{name}_{figure['file']})", "", f"*{caption}*", ""]
    if report["left_out"]:
        lines += ["", "## Left out", "", *(f"- {entry['step']}: {entry['reason']}" for entry in report["left_out"])]
    return "\n".join(lines).rstrip() + "\n"
