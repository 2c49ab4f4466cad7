"""The whole study as one HTML page and one JSON file."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from unmask import pages
from unmask.capstone import interactive
from unmask.capstone.budgets import Budget
from unmask.capstone.pipeline import STEPS, Done
from unmask.capstone.rows import (
    DIFFERS,
    MISSING,
    NOISE,
    OURS,
    QUICK,
    SAME,
    SHOWN,
    compare_all,
    in_words,
    mended_in_words,
    ours_in_words,
    protocol_in_words,
)
from unmask.capstone.sections import Kept, classical, data, future, inside, own, saving, suspects, vgg19
from unmask.datasets import FaceDataset
from unmask.pages import Html, paragraph, section, text
from unmask.writing import percent, write_whole

PAGE, DATA = "report.html", "report.json"
LARGEST = 15 * 2**20
"""Bytes that the page must stay below."""

_SECTIONS: Mapping[str, ModuleType] = {
    "data": data,
    "classical": classical,
    "vgg19": vgg19,
    "own": own,
    "inside": inside,
    "saving": saving,
    "suspects": suspects,
    "future": future,
}

_LEAD = (
    "A capstone study taught machines to put one of seven words to a face, first with classical models, then with "
    "networks. Here is that study carried out again by one command: each of its numbers beside ours, its weaknesses "
    "beside what mends them. A label is the word that people use for such a face, not what the person felt."
)


def report_data(done: Done, dataset: FaceDataset, *, budget: Budget, device: str) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    from unmask.classical.results import commit, machine

    titles = {step.name: step.title for step in STEPS}
    return {
        "about": {
            "date": datetime.date.today().isoformat(),
            "unmask": importlib.metadata.version("unmask"),
            "commit": commit(),
            "machine": machine(),
            "device": device,
            "pytorch": importlib.metadata.version("torch"),
            "data": dataset.name,
            "checksum": dataset.checksum,
            "rows": len(dataset),
            "budget": budget.name,
            "seconds": round(sum(result.seconds for result in done.results.values()), 1),
            "cpu_seconds": round(sum(result.cpu_seconds for result in done.results.values()), 1),
        },
        "rows": compare_all(done.results, quick=budget.name == "quick"),
        "left_out": [
            {"step": name, "key": key, "reason": reason}
            for name, result in done.results.items()
            for key, reason in result.left_out.items()
        ]
        + [
            {"step": step.name, "key": step.name, "reason": "not run yet"}
            for step in STEPS
            if step.name not in done.results
        ],
        "steps": {
            name: {"title": titles[name], "key": done.keys[name], "quick": budget.name == "quick", **result.to_json()}
            for name, result in done.results.items()
        },
    }


def write_report(folder: Path, done: Done, dataset: FaceDataset, *, budget: Budget, device: str) -> Path:
    """Write ``report.json`` and ``report.html`` into a folder, and return the page's path.

    Raises
    ------
    InputError
        The disk does not take them.
    """
    report = report_data(done, dataset, budget=budget, device=device)
    write_whole(folder / DATA, json.dumps(report, indent=1) + "\n")
    write_whole(folder / PAGE, page(report, done))
    return folder / PAGE


def page(report: Mapping[str, Any], done: Done) -> str:
    """The page as HTML."""
    quick = report["about"]["budget"] == "quick"
    sections = []
    for step in STEPS:
        if step.name in done.results:
            kept = Kept(done.results[step.name], done.folders[step.name], quick)
            parts = [_took(kept), *_SECTIONS[step.name].parts(kept)]
        else:
            parts = [paragraph(f"Not run yet; run: unmask capstone --only {step.name}")]
        sections.append(section(step.title, *parts, anchor=step.name))
    document = pages.page(
        "Unmasking the face, carried out again",
        *([_quick_note()] if quick else []),
        _summary(report),
        _contents(),
        section("The study's values and ours", *_rows(report["rows"]), anchor="rows"),
        *sections,
        section("How this was made", *_about(report), anchor="about"),
        lead=_LEAD,
        style=interactive.STYLE + STYLE,
        script=interactive.SCRIPT,
    )
    return document.replace(' loading="lazy"', "")  # what was never scrolled to would be missing on paper


def _quick_note() -> Html:
    return Html(
        '<p class="quick"><strong>Quick.</strong> Small samples and few epochs: every figure is made from real data, '
        "but the accuracies of networks are those of a beginning. Without <code>--quick</code> the study runs at full "
        "length.</p>\n"
    )


def _summary(report: Mapping[str, Any]) -> Html:
    rows = {row["key"]: row for row in report["rows"]}
    shown = []
    networks = {
        "own.accuracy": "own network",
        "vgg19.accuracy": "VGG-19",
        "future.small": "the package's default model",
    }
    for key, name in networks.items():
        row = rows[key]
        if row["ours"] is not None:
            study = f" (the study {percent(row['study'])})" if row["study"] else ""
            shown.append((f"{name}{study}", percent(row["ours"], 1)))
    counts = {verdict: sum(row["verdict"] == verdict for row in report["rows"]) for verdict in (SAME, NOISE, DIFFERS)}
    shown += [
        ("rows the same or within noise", str(counts[SAME] + counts[NOISE])),
        ("rows that differ", str(counts[DIFFERS])),
    ]
    items = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in shown)
    return Html(f'<dl class="figures">{items}</dl>\n')


def _contents() -> Html:
    names = [
        ("rows", "The study's values and ours"),
        *((step.name, step.title) for step in STEPS),
        ("about", "How it was made"),
    ]
    links = "".join(f'<li><a href="#{name}">{text(title)}</a></li>' for name, title in names)
    return Html(f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n')


def _rows(rows: list[dict[str, Any]]) -> list[Html]:
    shown, part = [], ""
    for row in rows:
        how = protocol_in_words(row)
        shown.append(
            [
                Html(f'<a href="#{row["step"]}">{text(row["part"])}</a>') if row["part"] != part else "",
                Html(text(row["quantity"]) + (f'<small class="how">{text(how)}</small>' if how else "")),
                in_words(row["study"]),
                ours_in_words(row),
                _verdict(row),
                mended_in_words(row),
            ]
        )
        part = row["part"]
    reasons = [f"{row['quantity']}: {row['why']}" for row in rows if row["verdict"] == DIFFERS and row["why"]]
    caption = (
        "Shares are of 1. In brackets: 95 % intervals; after ±: the standard deviation over draws or seeds. Within "
        "noise: as near as the rows measured on, or our draws, can tell. report.json holds each tolerance and time."
    )
    head = ["part", "quantity", "the study", "ours", "", "mended, or beside it"]
    table = pages.table(head, shown, caption=caption)
    why = "".join(f"<li>{text(reason)}</li>" for reason in reasons)
    notes = Html(f"<p>Why rows differ:</p><ul>{why}</ul>\n") if why else Html("")
    return [Html(f'<div class="rows">{table}</div>'), notes]


def _verdict(row: Mapping[str, Any]) -> Html:
    said = text(row["verdict"])
    if row["verdict"] == SHOWN:
        said = f'<a href="#{row["step"]}">{said}</a>'
    return Html(f'<span class="verdict {_KINDS[row["verdict"]]}">{said}</span>')


_KINDS = {SAME: "good", NOISE: "good", SHOWN: "good", DIFFERS: "far", QUICK: "open", OURS: "open", MISSING: "open"}


def _took(kept: Kept) -> Html:
    result = kept.result
    return paragraph(
        f"{'Quick. ' if kept.quick else ''}Took {result.seconds:,.0f} s, {result.cpu_seconds:,.0f} s of processor "
        "time.",
        kind="about",
    )


def _about(report: Mapping[str, Any]) -> list[Html]:
    about = report["about"]
    rows = [[key.replace("_", " "), str(value)] for key, value in about.items() if value]
    left = [paragraph(f"{entry['step']}: {entry['reason']}", kind="about") for entry in report["left_out"]]
    return [
        pages.table(["", ""], rows),
        *([section("Left out", *left, level=3)] if left else []),
        paragraph(
            "No model is measured on PrivateTest, and nothing is chosen on the rows that are measured on.", kind="about"
        ),
    ]


STYLE = """\
body { max-width: 66rem; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .15em; }
.quick { padding: .5rem .75rem; border: 2px solid #d55e00; border-radius: .25rem; }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; padding: 0; list-style: none;
  font-size: .9375rem; }
.rows td, .rows th, .words td, .words th { text-align: left; vertical-align: top; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 1.5rem; }
.beside img { width: 100%; }
.rows th[scope=row] { vertical-align: top; }
.how { display: block; color: var(--soft); font-size: .8125rem; line-height: 1.3; }
.rows td:nth-child(2) { min-width: 11rem; }
.rows td:nth-child(6) { min-width: 14rem; color: var(--soft); }
.verdict { white-space: nowrap; }
.verdict.far { font-weight: 700; color: #d55e00; }
.verdict.open { color: var(--soft); }
main > section > section { margin-top: 1.5rem; }
@media screen and (max-width: 62rem) {
  .rows table, .rows tbody { display: block; width: 100%; }
  .rows thead { position: absolute; clip-path: inset(50%); }
  .rows caption { display: block; }
  .rows tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem; padding: .5rem 0;
    border-bottom: 1px solid var(--line); }
  .rows td, .rows th { padding: 0; border: 0; min-width: 0 !important; overflow-wrap: anywhere; }
  .rows th[scope=row] { grid-column: 1 / -1; padding: .75rem 0 .25rem; font-weight: 700; }
  .rows th[scope=row]:empty, .rows td:empty { display: none; }
  .rows td:nth-child(2), .rows td:nth-child(6) { grid-column: 1 / -1; }
  .rows td:nth-child(3)::before { content: "the study: "; color: var(--soft); }
  .rows td:nth-child(4)::before { content: "ours: "; color: var(--soft); }
  .rows td:nth-child(6)::before { content: "beside it: "; }
}
section p { max-width: 46rem; }
@media print {
  @page { margin: 14mm; }
  .rows table { font-size: .625rem; }
  .rows td:nth-child(n) { min-width: 0; }
  .rows td:nth-child(2), .rows td:nth-child(6) { min-width: 7rem; }
  .rows th[scope=row] { white-space: normal; }
  .beside { grid-template-columns: 1fr 1fr; }
  h2, h3 { break-after: avoid; }
  main > section { break-before: page; }
  main > section#rows { break-before: auto; }
  nav { display: none; }
}
"""
