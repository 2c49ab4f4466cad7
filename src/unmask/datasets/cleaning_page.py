"""A page on which a person decides about suspect labels, picture by picture; it works without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from unmask import pages
from unmask.datasets.base import FaceDataset
from unmask.datasets.cleaning import DROP, KEEP, Suspect
from unmask.writing import write_whole

PICTURE = 96
"""Side of a picture in CSS pixels."""


def write_cleaning_page(dataset: FaceDataset, found: Sequence[Suspect], path: Path, *, most: int) -> None:
    """Write the page. Raises InputError when the disk does not take it."""
    write_whole(path, cleaning_page(dataset, found, most=most))


def cleaning_page(dataset: FaceDataset, found: Sequence[Suspect], *, most: int) -> str:
    """The whole page. It holds pictures of the data set: mind its licence before you pass it on.

    Parameters
    ----------
    found
        The most doubted first, with the decisions that there are.
    most
        So many are shown; what is decided about others stays decided.
    """
    shown = list(found[:most])
    lead = (
        f"{len(found):,} labels of {dataset.name} are doubted"
        + (f"; the {len(shown):,} most doubted are shown" if len(found) > len(shown) else "")
        + ". Decide, save the list, and give it to unmask data clean --apply. What is left undecided is kept."
    )
    labels = [str(label) for label in dataset.taxonomy.labels]
    body = pages.Html(
        '<div class="save"><button type="button" id="save">Save decisions</button> <output id="count"></output>'
        '<span class="about">Keys on a picture: K keeps, D drops, S takes the suggestion, arrows move.</span></div>'
        f'<div class="gallery" style="--side:9.5rem">{"".join(_card(dataset, one, labels) for one in shown)}</div>\n'
    )
    columns = [field.name for field in fields(Suspect)]
    rows = [[getattr(one, name) for name in columns] for one in found]
    # "<" never stands in what is written as JSON here, but a page must not rest on that.
    data = json.dumps({"columns": columns, "rows": rows}).replace("<", "\\u003c")
    return pages.page(
        f"Labels of {dataset.name} to decide about",
        pages.section("Suspects", body) if shown else pages.paragraph("No label is doubted."),
        lead=lead,
        style=_STYLE,
        script=f"const list = {data};\n{_SCRIPT}",
    )


def _card(dataset: FaceDataset, one: Suspect, labels: Sequence[str]) -> str:
    choices = [("", "undecided"), (KEEP, f"keep {one.label}"), (DROP, "drop")]
    choices += [(label, f"relabel: {label}") for label in labels if label != one.label]
    options = "".join(
        f'<option value="{pages.text(value)}"{" selected" * (value == one.decision)}>{pages.text(words)}</option>'
        for value, words in choices
    )
    name = dataset.row_name(one.row)
    return (
        f'<figure tabindex="0" data-suggested="{pages.text(one.suggested)}">'
        f'<img src="{pages.data_uri(dataset.images[one.row])}" alt="{pages.text(name)}" loading="lazy">'
        f"<figcaption>{pages.text(name)}<br><b>{pages.text(one.label)}</b>, or {pages.text(one.suggested)}?<br>"
        f"doubt {one.doubt:.2f}</figcaption>"
        f'<select aria-label="decision about {pages.text(name)}">{options}</select></figure>'
    )


_STYLE = f"""\
.save {{ position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline;
  padding: .5rem 0; background: var(--page); border-bottom: 1px solid var(--line); }}
.save button, select {{ font: inherit; font-size: .875rem; padding: .25rem .5rem; color: inherit;
  background: var(--page); border: 1px solid var(--soft); border-radius: .25rem; }}
.gallery {{ margin-top: 1rem; }}
.gallery figure {{ padding: .5rem; border: 1px solid var(--line); border-radius: .25rem; }}
.gallery figure:focus {{ outline: 2px solid #d55e00; }}
.gallery figure.decided {{ border-color: #0072b2; box-shadow: inset 0 0 0 1px #0072b2; }}
.gallery img {{ width: {PICTURE}px; height: {PICTURE}px; }}
.gallery select {{ width: 100%; margin-top: .25rem; }}
@media print {{ .save {{ display: none; }} }}
"""

_SCRIPT = """\
const cards = [...document.querySelectorAll('.gallery figure')], decision = list.columns.indexOf('decision');
let saved = true;
const show = () => {
  const count = (rows) => rows.filter((row) => row[decision]).length + ' of ' + rows.length;
  const all = list.rows.length > cards.length ? ' on this page, ' + count(list.rows) + ' in all' : '';
  document.getElementById('count').textContent = count(list.rows.slice(0, cards.length)) + ' decided' + all;
  cards.forEach((card, place) => card.classList.toggle('decided', Boolean(list.rows[place][decision])));
};
const set = (place, value) => {
  list.rows[place][decision] = value;
  cards[place].querySelector('select').value = value;
  saved = false;
  show();
};
cards.forEach((card, place) => {
  card.querySelector('select').addEventListener('change', (event) => set(place, event.target.value));
  card.addEventListener('keydown', (event) => {
    if (event.target !== card || event.ctrlKey || event.metaKey || event.altKey) return;
    const value = { k: 'keep', d: 'drop', s: card.dataset.suggested }[event.key.toLowerCase()];
    if (value) set(place, value);
    const next = cards[place + (event.key === 'ArrowLeft' ? -1 : value || event.key === 'ArrowRight' ? 1 : 0)];
    if (next && next !== card) { next.focus(); event.preventDefault(); }
  });
});
const button = document.getElementById('save');
if (button) {
  button.addEventListener('click', () => {
    const text = [list.columns, ...list.rows].map((row) => row.join(',') + '\\n').join('');
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
    link.download = 'suspects.csv';
    link.click();
    saved = true;
  });
  addEventListener('beforeunload', (event) => { if (!saved) event.preventDefault(); });
  show();
}
"""
