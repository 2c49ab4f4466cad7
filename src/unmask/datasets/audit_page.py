"""What an audit found as an HTML page, with the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask import pages
from unmask.datasets.audit import Audit, label_words
from unmask.datasets.base import FaceDataset
from unmask.writing import write_whole

SHOWN = 60
"""Groups and pictures shown of each kind; the counts are of all."""

LISTED, PICTURE = 12, 112
"""Rows named of one group, and the side of a picture in CSS pixels."""


def write_audit_page(dataset: FaceDataset, found: Audit, path: Path) -> None:
    """Write the page. Raises InputError when the disk does not take it."""
    write_whole(path, audit_page(dataset, found))


def audit_page(dataset: FaceDataset, found: Audit) -> str:
    """The whole page. It holds pictures of the data set: mind its licence before you pass it on."""
    sections = [
        pages.section("Counts", pages.table(["what", "count"], _counts(found))),
        _leaks(dataset, found),
        _groups(dataset, "Copies with conflicting labels", found.conflicting),
        _groups(dataset, "Exact copies", _copy_groups(dataset, found)),
    ]
    if found.near is not None and found.near_correlation is not None:
        notes = [f"correlation {value:.3f}" for value in found.near_correlation.tolist()]
        # The least similar first: there the mistakes are, if there are any.
        sections.append(_groups(dataset, "Near copies, the least similar first", list(found.near[::-1]), notes[::-1]))
    sections.append(_pictures(dataset, "Blank", found.blank))
    if found.not_a_face is not None:
        sections.append(_pictures(dataset, "Not a face, say all taggers", found.not_a_face))
    return pages.page(
        f"Audit of {dataset.name}",
        *sections,
        lead=f"{found.images:,} images, {found.unique:,} different ones. SHA-256 of the data: {dataset.checksum}.",
    )


def count_lines(found: Audit) -> list[tuple[str, int]]:
    """Every count with its words, for the table on the page and on the terminal."""
    lines = [
        ("images", found.images),
        ("different images", found.unique),
        ("exact copies of an earlier image", len(found.repeats)),
    ]
    lines += [(f"images of {two} that stand in {one}", count) for (one, two), count in found.across_splits.items()]
    if found.near is not None:
        lines.append(("pairs of near copies", len(found.near)))
    for (one, two), count in (found.near_across_splits or {}).items():
        lines.append((f"images of {two} with only a near copy in {one}", count))
    lines += [("blank images", len(found.blank)), ("groups of copies with conflicting labels", len(found.conflicting))]
    if found.not_a_face is not None:
        lines.append(("images in which no tagger saw a face", len(found.not_a_face)))
    return lines


def _counts(found: Audit) -> list[tuple[str, str]]:
    return [(what, f"{count:,}") for what, count in count_lines(found)]


def _copy_groups(dataset: FaceDataset, found: Audit) -> list[NDArray[np.int64]]:
    """Rows of each group of copies, the largest group first."""
    order = np.argsort(dataset.groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(dataset.groups[order])) + 1)
    repeated = set(found.repeats.tolist())
    groups = [rows for rows in parts if len(rows) > 1 and rows[-1] in repeated]
    return sorted(groups, key=lambda rows: (-len(rows), int(rows[0])))


def _leaks(dataset: FaceDataset, found: Audit) -> pages.Html:
    parts = [
        pages.paragraph(f"Images of {two} that stand in {one}, pixel for pixel: {count:,}.")
        for (one, two), count in found.across_splits.items()
    ]
    if not parts:
        return pages.section("Copies across splits", pages.paragraph("There is one split only."))
    return pages.section("Copies across splits", *parts)


def _groups(
    dataset: FaceDataset, title: str, groups: list[NDArray[np.int64]], notes: list[str] | None = None
) -> pages.Html:
    """Each group as one picture: the one image of exact copies, the two of a pair side by side."""
    if not groups:
        return pages.section(title, pages.paragraph("None."))
    items = []
    for number, rows in enumerate(groups[:SHOWN]):
        named = [
            f"{dataset.row_name(row)} {dataset.splits[row]} {label}"
            for row, label in zip(rows.tolist(), label_words(dataset, rows), strict=True)
        ]
        more = f"; and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
        shown = rows[:1] if notes is None else rows
        caption = f"{len(rows)} times" if notes is None else notes[number]
        items.append((np.hstack(list(dataset.images[shown])), f"{caption}: {'; '.join(named[:LISTED])}{more}"))
    head = _how_many(len(groups), "group" if notes is None else "pair")
    return pages.section(title, head, pages.gallery(items, side=PICTURE if notes is None else 2 * PICTURE))


def _pictures(dataset: FaceDataset, title: str, rows: NDArray[np.int64]) -> pages.Html:
    if not len(rows):
        return pages.section(title, pages.paragraph("None."))
    shown = rows[:SHOWN]
    items = [
        (dataset.images[row], f"{dataset.row_name(row)}, {dataset.splits[row]}, {label}")
        for row, label in zip(shown.tolist(), label_words(dataset, shown), strict=True)
    ]
    return pages.section(title, _how_many(len(rows), "image"), pages.gallery(items, side=PICTURE))


def _how_many(count: int, unit: str) -> pages.Html:
    shown = f"; the first {SHOWN} are shown" if count > SHOWN else ""
    return pages.paragraph(f"{count:,} {unit}{'' if count == 1 else 's'}{shown}.", kind="about")
