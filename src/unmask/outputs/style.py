"""The report's style sheet: light and dark, screen and paper, wide and narrow."""

from __future__ import annotations

STYLE = """\
:root { color-scheme: light dark; --page: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --track: #eaeef2; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --text: #e6e9ec; --soft: #a0a9b2; --line: #363c43; --track: #2a2f36; }
}
* { box-sizing: border-box; }
body { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .5rem; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0; font-size: 1.1rem; overflow-wrap: anywhere; }
.meaning { margin: 0 0 1.5rem; padding-left: .75rem; border-left: .25rem solid var(--line); }
.about, caption { color: var(--soft); font-size: .875rem; text-align: left; }
.about { margin: 0 0 .5rem; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 0 0 1rem; }
.figures dt { color: var(--soft); font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.counts { display: flex; flex-wrap: wrap; gap: 1rem 3rem; align-items: start; }
.counts .bar { width: 9rem; }
article { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
img { display: block; max-width: 100%; height: auto; border-radius: .25rem; }
.scroll { overflow-x: auto; margin-top: .75rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
.faces { width: 100%; }
th, td { padding: .3rem .4rem .4rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; }
th[scope=row], thead th:first-child, .faces th:nth-child(2) { text-align: left; white-space: nowrap; }
.faces td:first-child { text-align: left; white-space: nowrap; }
.faces img { display: inline-block; width: 2.25rem; max-width: none; height: 2.25rem; margin: 0 .4rem;
  object-fit: cover; vertical-align: middle; }
thead th { color: var(--soft); font-size: .8125rem; }
abbr { text-decoration: none; }
.chip { display: inline-block; width: .75em; height: .75em; margin-right: .4em; border-radius: 50%;
  background: var(--c); box-shadow: 0 0 0 1px var(--soft); }
.bar { --full: calc(100% - .8rem); background-repeat: no-repeat; background-position: .4rem calc(100% - .1rem);
  background-image: linear-gradient(var(--c), var(--c)), linear-gradient(var(--track), var(--track));
  background-size: calc(var(--full) * var(--s)) .25rem, var(--full) .25rem; }
.top { font-weight: 700; }
@media (max-width: 30rem) {
  th, td { padding: .3rem .2rem .4rem; }
  .bar { --full: calc(100% - .4rem); background-position-x: .2rem; }
}
@media print {
  :root { --page: #fff; --text: #000; --soft: #444; --line: #bbb; --track: #eee; }
  body { max-width: none; padding: 0; }
  article, tr { break-inside: avoid; }
  .chip, .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  img { max-height: 16cm; }
  .scroll { overflow: visible; }
}
"""
