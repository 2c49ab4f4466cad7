"""The two parts of the report that move: faces in the cells of a confusion matrix, and rebuilt faces with a slider.

Both are HTML with a few lines of script; on paper the matrix stands as it is, and a figure takes the slider's place.
"""

from __future__ import annotations

from collections.abc import Sequence

from unmask.capstone.measured import FACES_IN_CELL
from unmask.pages import Html, data_uri, text
from unmask.writing import hundredths

FACE = 48
"""CSS pixels of a face in a cell's panel."""

REBUILT = 84
"""CSS pixels of a rebuilt face."""


def matrix(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], *, caption: str, sprites: bytes | None = None
) -> Html:
    """A confusion matrix with totals as a table.

    Parameters
    ----------
    confusion
        Counts, rows actual and columns predicted.
    labels
        Of rows and columns.
    sprites
        See :func:`unmask.capstone.measured.cell_sprites`; with them each cell shows its faces when the pointer or the
        keyboard is on it.
    """
    heads = "".join(f'<th scope="col">{text(label)}</th>' for label in labels)
    body = ""
    for row, (label, counts) in enumerate(zip(labels, confusion, strict=True)):
        total = sum(counts)
        cells = ""
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            said = f"{label}, read as {labels[column]}: {count:,}, {hundredths(share)}% of its row"
            shown = f"{count:,}<small>{hundredths(share)}%</small>"
            kind = "dark" if share > 0.85 else ""  # below, dark ink reads better on the blue
            if sprites is not None:
                number = row * len(labels) + column
                faces = min(count, FACES_IN_CELL)
                shown = (
                    f'<button type="button" data-cell="{number}" data-faces="{faces}" data-said="{text(said)}">'
                    f"{shown}</button>"
                )
            cells += f'<td class="{kind}" style="--share:{share:.3f}">{shown}</td>'
        body += f'<tr><th scope="row">{text(label)}</th>{cells}<td class="total">{total:,}</td></tr>\n'
    sums = "".join(f"<td>{sum(row[column] for row in confusion):,}</td>" for column in range(len(labels)))
    whole = sum(map(sum, confusion))
    foot = f'<tr class="total"><th scope="row">in all</th>{sums}<td>{whole:,}</td></tr>'
    table = (
        f'<div class="scroll" tabindex="0"><table class="matrix"><caption>{text(caption)}</caption>'
        f'<thead><tr><th scope="col">actual \\ read as</th>{heads}<th scope="col">in all</th></tr></thead>'
        f"<tbody>{body}</tbody><tfoot>{foot}</tfoot></table></div>"
    )
    if sprites is None:
        return Html(table + "\n")
    width = FACES_IN_CELL * FACE
    return Html(
        f'<div class="cells">{table}\n<div class="panel live"><p aria-live="polite">Point at a cell, or reach it with '
        f"the Tab key, to see faces in it: the surest answers first.</p>"
        f'<div class="sprite" role="img" aria-label="faces of the chosen cell" hidden '
        f'style="background-image:url({data_uri(sprites)});width:{width}px;height:{FACE}px;'
        f'background-size:{width}px auto"></div></div></div>\n'
    )


def slider(sheet: bytes, ranks: Sequence[int], faces: int) -> Html:
    """Faces rebuilt from as many eigenfaces as the slider says; at its end they are the faces themselves."""
    steps = [*(f"{rank} eigenfaces" if rank else "the mean face alone" for rank in ranks), "the pictures themselves"]
    width, height = len(steps) * REBUILT, faces * REBUILT
    start = len(steps) // 2
    shown = "".join(
        f'<div class="rebuilt" style="background-position:{-start * REBUILT}px {-face * REBUILT}px" '
        f'data-top="{-face * REBUILT}"></div>'
        for face in range(faces)
    )
    style = (
        f".rebuilt {{ width: {REBUILT}px; height: {REBUILT}px; background-image: url({data_uri(sheet)}); "
        f"background-size: {width}px {height}px; }}"
    )
    return Html(
        f'<style>{style}</style>\n<div class="slider live" data-side="{REBUILT}" data-steps="{text("|".join(steps))}">'
        f"<label>Rebuilt from <output>{text(steps[start])}</output>"
        f'<input type="range" min="0" max="{len(steps) - 1}" value="{start}"></label>'
        f'<div class="row">{shown}</div></div>\n'
    )


SCRIPT = f"""\
for (const cells of document.querySelectorAll('.cells')) {{
  const words = cells.querySelector('.panel p'), sprite = cells.querySelector('.sprite');
  const show = (event) => {{
    const button = event.target.closest('button[data-cell]');
    if (!button) return;
    words.textContent = button.dataset.said + (button.dataset.faces === '0' ? '; no face.' : '');
    sprite.hidden = button.dataset.faces === '0';
    sprite.style.width = button.dataset.faces * {FACE} + 'px';
    sprite.style.backgroundPosition = '0 ' + -{FACE} * button.dataset.cell + 'px';
  }};
  for (const event of ['mouseover', 'focusin', 'click']) cells.addEventListener(event, show);
}}
for (const slider of document.querySelectorAll('.slider')) {{
  const steps = slider.dataset.steps.split('|'), input = slider.querySelector('input');
  input.addEventListener('input', () => {{
    slider.querySelector('output').textContent = steps[input.value];
    input.setAttribute('aria-valuetext', steps[input.value]);
    for (const face of slider.querySelectorAll('.rebuilt')) {{
      face.style.backgroundPosition = -slider.dataset.side * input.value + 'px ' + face.dataset.top + 'px';
    }}
  }});
}}
"""

STYLE = """\
.matrix td { padding: 0; text-align: center;
  background: color-mix(in srgb, #0072b2 calc(var(--share) * 100%), var(--page));
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.matrix td.dark { color: #fff; }
.matrix tfoot td, .matrix td.total { background: none; padding: .3rem .5rem; color: var(--soft); text-align: right; }
.matrix small { display: block; font-size: .6875rem; opacity: .85; }
.matrix button { display: block; width: 100%; min-width: 3.25rem; min-height: 2.5rem; padding: .2rem; border: 0;
  font: inherit; color: inherit; background: none; cursor: pointer; }
.matrix button:hover, .matrix button:focus-visible { outline: 2px solid #d55e00; outline-offset: -2px; }
.panel { min-height: 6.5rem; }
.panel p { margin: .5rem 0; color: var(--soft); font-size: .875rem; }
.sprite { max-width: 100%; background-repeat: no-repeat; image-rendering: pixelated; }
.slider { margin: 1rem 0; }
.slider label { display: block; max-width: 40rem; }
.slider output { font-weight: 700; }
.slider input { display: block; width: 100%; margin: .5rem 0; accent-color: #0072b2; }
.slider .row { display: flex; flex-wrap: wrap; gap: .5rem; }
.paper { display: none; }
@media print { .live { display: none; } .paper { display: block; } }
"""
