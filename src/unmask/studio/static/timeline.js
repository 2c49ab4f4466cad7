// Expressions over time: a lane of colours for each person, and the scores of one as curves.

import { make } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const LEFT = 70; // room for names
const LANE = 26;
const CURVES = 150;
const MOST_POINTS = 600;

function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const frame = (height, label) => svg("svg", {
  viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none",
});

const place = (time, from, to) => LEFT + ((time - from) / Math.max(to - from, 1e-9)) * (WIDTH - LEFT - 10);

/** Stretches of one expression of each person: person -> [{from, to, expression}], made bit by bit. */
export class Course {
  constructor() {
    this.people = new Map();
    this.points = new Map(); // person -> [{time, scores}]
    this.start = null;
    this.end = 0;
    this.step = 0.04;
  }

  /** Take in the next reading. */
  add(reading) {
    const time = reading.time_s ?? 0;
    if (this.start === null) this.start = time;
    else this.step = Math.max(time - this.end, 0.001);
    this.end = time;
    for (const face of reading.faces) {
      if (face.track_id === null) continue;
      const lane = this.people.get(face.track_id) ?? [];
      this.people.set(face.track_id, lane);
      const shown = face.expression ?? "none";
      const last = lane.at(-1);
      if (last && last.expression === shown && time - last.to < 1.5 * this.step + 0.001) last.to = time + this.step;
      else {
        if (last && last.to > time) last.to = time;
        lane.push({ from: time, to: time + this.step, expression: shown });
      }
      const points = this.points.get(face.track_id) ?? [];
      this.points.set(face.track_id, points);
      points.push({ time, scores: face.scores });
    }
  }

  /** Forget what is older than a time. */
  forget(before) {
    this.start = Math.max(this.start ?? before, before);
    for (const [person, lane] of this.people) {
      const left = lane.filter((part) => part.to > before);
      if (left.length) this.people.set(person, left);
      else this.people.delete(person);
      if (!left.length) this.points.delete(person);
      else this.points.set(person, this.points.get(person).filter((point) => point.time > before));
    }
  }
}

/** The lanes of a course as a picture; `head` moves its line to a time. */
export function lanes(course, { label, from = course.start ?? 0, to = course.end }) {
  const people = [...course.people.keys()].sort((a, b) => a - b);
  const height = people.length * LANE + 22;
  const picture = frame(height, label);
  people.forEach((person, number) => {
    const top = number * LANE + 4;
    picture.append(svg("rect", { class: "ground", x: LEFT, y: top, width: WIDTH - LEFT - 10, height: LANE - 8 }));
    for (const part of course.people.get(person)) {
      const [x1, x2] = [place(Math.max(part.from, from), from, to), place(Math.min(part.to, to), from, to)];
      if (x2 <= x1) continue;
      const box = svg("rect", {
        class: `segment ${part.expression}`, x: x1, y: top, width: x2 - x1, height: LANE - 8,
      }, svg("title", {}, `person ${person}, ${part.expression}, ${part.from.toFixed(2)} to ${part.to.toFixed(2)} s`));
      picture.append(box);
    }
    picture.append(text(4, top + 13, `person ${person}`));
  });
  ticks(picture, height - 4, from, to);
  const line = svg("line", { class: "head", x1: LEFT, x2: LEFT, y1: 0, y2: height - 16 });
  picture.append(line);
  const head = (time) => {
    const x = place(Math.min(Math.max(time, from), to), from, to);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  };
  return { picture: fit(picture, height), head };
}

/** The scores of one person as curves. */
export function curves(course, person, { label, from = course.start ?? 0, to = course.end }) {
  const picture = frame(CURVES, label);
  const floor = CURVES - 20;
  for (const share of [0, 0.5, 1]) {
    const y = 8 + (1 - share) * (floor - 8);
    picture.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - 10, y1: y, y2: y }));
    picture.append(text(LEFT - 8, y + 4, `${100 * share} %`, "end"));
  }
  const all = course.points.get(person) ?? [];
  const every = Math.ceil(all.length / MOST_POINTS);
  const points = all.filter((_, number) => number % every === 0);
  for (const name of Object.keys(points[0]?.scores ?? {})) {
    const corners = points.map((point) => {
      const y = 8 + (1 - point.scores[name]) * (floor - 8);
      return `${place(point.time, from, to).toFixed(1)},${y.toFixed(1)}`;
    });
    picture.append(svg("polyline", { class: `curve ${name}`, points: corners.join(" ") }, svg("title", {}, name)));
  }
  ticks(picture, CURVES - 4, from, to);
  return fit(picture, CURVES);
}

function text(x, y, words, anchor = "start") {
  return svg("text", { x, y, "text-anchor": anchor, class: anchor === "start" ? "" : "soft" }, words);
}

function ticks(picture, y, from, to) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600].find((s) => (to - from) / s <= 8) ?? 7200;
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    picture.append(text(place(time, from, to), y, `${Number(time.toFixed(1))} s`, "middle"));
  }
}

/** Text keeps its shape: the picture is as wide as its box and never squeezed. */
function fit(picture, height) {
  picture.setAttribute("preserveAspectRatio", "xMinYMin meet");
  return make("div", { className: "lane-box", "data-height": height }, picture);
}
