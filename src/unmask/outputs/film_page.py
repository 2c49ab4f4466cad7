"""What the HTML report needs for films beyond its common style: one style sheet and one script for all of them."""

from __future__ import annotations

STYLE = """\
.film video { display: block; width: 100%; max-height: 70vh; background: #000; border-radius: .25rem; }
.film .now { min-height: 1.5em; margin: .5rem 0; font-variant-numeric: tabular-nums; }
.chart { position: relative; padding: .25rem 0; cursor: pointer; touch-action: none; }
.chart:focus-visible { outline: 2px solid var(--text); outline-offset: 2px; }
.course span { color: var(--soft); font-size: .8125rem; }
.course svg { display: block; width: 100%; height: 4.5rem; background: var(--track); }
.course polygon, .course rect { fill: var(--c); }
.course .withheld { fill: var(--page); opacity: .6; }
.chip.withheld { background: linear-gradient(90deg, var(--soft) 50%, var(--line) 50%); }
.chip.unseen { background: var(--track); }
.ticks { position: relative; height: 1.25rem; color: var(--soft); font-size: .75rem; }
.ticks span { position: absolute; white-space: nowrap; translate: -50% 0; }
.course polygon { stroke: var(--page); stroke-width: .5; vector-effect: non-scaling-stroke; }
.playhead { position: absolute; top: 0; bottom: 0; left: calc(100% * var(--at, 0)); width: 2px; margin-left: -1px;
  background: var(--text); box-shadow: 0 0 0 1px var(--page); pointer-events: none; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .5rem 0; font-size: .875rem; }
.film button { padding: .1rem .4rem; border: 1px solid var(--line); border-radius: .25rem; background: none;
  color: inherit; font: inherit; cursor: pointer; }
.film td .bar { display: block; white-space: nowrap; padding: 0 .4rem .35rem; min-width: 3.5rem; }
"""

SCRIPT = r"""
for (const film of document.querySelectorAll('.film')) {
  const data = JSON.parse(film.querySelector('script').textContent);
  const [video, chart, now] = ['video', '.chart', '.now'].map(one => film.querySelector(one));
  const span = data.end - data.begin;
  const percent = share => (share < 1 && share >= .995 ? '>99' : Math.round(100 * share)) + ' %';
  const clamp = time => Math.min(Math.max(time, data.begin), data.end);
  const go = time => { video.currentTime = clamp(time) - data.begin; show(); };
  const show = () => {
    const time = clamp(data.begin + video.currentTime);
    chart.style.setProperty('--at', (time - data.begin) / span);
    chart.setAttribute('aria-valuenow', time.toFixed(3));
    chart.setAttribute('aria-valuetext', time.toFixed(2) + ' seconds');
    const words = data.people.map(person => {
      let low = 0, high = person.times.length;
      while (low < high) {
        const half = (low + high) >> 1;
        if (person.times[half] <= time + 1e-3) low = half + 1; else high = half;
      }
      const scores = person.scores[low - 1];
      if (!scores) return null;
      const top = scores.indexOf(Math.max(...scores));
      return `person ${person.id} ${data.labels[top]} ${percent(scores[top] / 1e5)}`;
    });
    const seen = words.filter(Boolean).join(' \u00b7 ');
    now.textContent = time.toFixed(2) + ' s, ' + (seen ? 'highest scores: ' + seen : 'no face');
  };
  const tick = () => { show(); if (!video.paused && !video.ended) requestAnimationFrame(tick); };
  for (const event of ['play', 'seeked', 'timeupdate', 'loadedmetadata']) video.addEventListener(event, tick);
  const at = event => {
    const box = chart.getBoundingClientRect();
    go(data.begin + span * (event.clientX - box.left) / box.width);
  };
  chart.addEventListener('pointerdown', event => { chart.setPointerCapture(event.pointerId); at(event); });
  chart.addEventListener('pointermove', event => { if (event.buttons) at(event); });
  chart.addEventListener('keydown', event => {
    const time = data.begin + video.currentTime;
    const keys = { ArrowLeft: time - span / 100, ArrowDown: time - span / 100, ArrowRight: time + span / 100,
      ArrowUp: time + span / 100, PageDown: time - span / 10, PageUp: time + span / 10,
      Home: data.begin, End: data.end };
    if (event.key in keys) { go(keys[event.key]); event.preventDefault(); }
    if (event.key === ' ') { video.paused ? video.play() : video.pause(); event.preventDefault(); }
  });
  for (const button of film.querySelectorAll('button[data-time]'))
    button.addEventListener('click', () => go(Number(button.dataset.time)));
  show();
}
"""
