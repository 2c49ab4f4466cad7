// Expressions over time: a lane of colours for each person, and the scores of one as curves.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 68; // room for names, in pixels as all below
const RIGHT = 12;
const LANE = 26;
const CURVES = 170;
const NARROWEST = 300;
const MOST_POINTS = 600;
const GAP_S = 0.25; // without a person, that a lane bridges
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600]; // seconds between ticks

function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Stretches of one expression of each person, and their scores, taken in reading by reading. */
export class Course {
  constructor() {
    this.lanes = new Map(); // person -> [{ from, to, expression }]
    this.points = new Map(); // person -> [{ time, scores, back }], back: after frames that miss the person
    this.start = null;
    this.end = 0;
    this.step = 0.04;
  }

  /** Everybody, by number. */
  get people() {
    return [...this.lanes.keys()].sort((a, b) => a - b);
  }

  /** Take in the next reading. */
  add(reading) {
    const time = reading.time_s ?? 0;
    const before = this.end;
    if (this.start === null) this.start = time;
    else this.step = Math.max(time - this.end, 0.001);
    this.end = time;
    for (const face of reading.faces) {
      if (face.track_id === null) continue;
      if (!this.lanes.has(face.track_id)) {
        this.lanes.set(face.track_id, []);
        this.points.set(face.track_id, []);
      }
      const points = this.points.get(face.track_id);
      points.push({ time, scores: face.scores, back: points.length > 0 && points.at(-1).time < before });
      this.#stretch(this.lanes.get(face.track_id), time, face.expression ?? "none");
    }
  }

  #stretch(lane, time, expression) {
    const last = lane.at(-1);
    if (last && time - last.to < Math.max(2 * this.step, GAP_S)) {
      last.to = time;
      if (last.expression === expression) {
        last.to = time + this.step;
        return;
      }
    }
    lane.push({ from: time, to: time + this.step, expression });
  }

  /** Forget what is older than a time. */
  forget(before) {
    this.start = Math.max(this.start ?? before, before);
    for (const person of this.people) {
      const left = this.lanes.get(person).filter((part) => part.to > before);
      this.lanes.set(person, left);
      this.points.set(person, this.points.get(person).filter((point) => point.time > before));
      if (!left.length) {
        this.lanes.delete(person);
        this.points.delete(person);
      }
    }
  }
}

/** A picture so many pixels wide, and where times lie in it. */
class Plot {
  constructor({ label, width, height, from, to }) {
    this.width = Math.max(width, NARROWEST);
    this.from = from;
    this.span = Math.max(to - from, 1e-9);
    this.to = to;
    this.picture = svg("svg", { width: this.width, height, viewBox: `0 0 ${this.width} ${height}`, role: "img",
      "aria-label": label });
  }

  x(time) {
    const inside = Math.min(Math.max(time, this.from), this.to);
    return LEFT + ((inside - this.from) / this.span) * (this.width - LEFT - RIGHT);
  }

  write(x, y, words, anchor = "start") {
    this.picture.append(svg("text", { x, y, "text-anchor": anchor, class: anchor === "start" ? "" : "soft" }, words));
  }

  ticks(y, zero) {
    const most = (this.width - LEFT) / 80;
    const step = STEPS.find((seconds) => this.span / seconds <= most) ?? 7200;
    for (let tick = Math.ceil((this.from - zero) / step) * step; tick <= this.to - zero + 1e-9; tick += step) {
      const words = `${Number(tick.toFixed(1))} s`;
      this.write(this.x(tick + zero), y, words, "middle");
    }
  }
}

/** The lanes of a course as a picture, and a function that moves its line to a time. Ticks count from `zero`. */
export function lanes(course, { label, width, from = course.start ?? 0, to = course.end, zero = 0 }) {
  const people = course.people;
  const height = people.length * LANE + 24;
  const plot = new Plot({ label, width, height, from, to });
  people.forEach((person, number) => {
    const shape = { y: number * LANE + 4, height: LANE - 8 };
    plot.picture.append(svg("rect", { class: "ground", x: LEFT, width: plot.width - LEFT - RIGHT, ...shape }));
    for (const part of course.lanes.get(person)) {
      const [x1, x2] = [plot.x(part.from), plot.x(part.to)];
      if (x2 > x1) {
        plot.picture.append(svg("rect", { class: `segment ${part.expression}`, x: x1, width: x2 - x1, ...shape }, svg(
          "title", {}, `person ${person}, ${part.expression}, ${part.from.toFixed(2)} to ${part.to.toFixed(2)} s`)));
      }
    }
    plot.write(0, shape.y + 14, `person ${person}`);
  });
  plot.ticks(height - 5, zero);
  const line = svg("line", { class: "head", x1: plot.x(to), x2: plot.x(to), y1: 0, y2: height - 18 });
  plot.picture.append(line);
  const head = (time) => {
    line.setAttribute("x1", plot.x(time));
    line.setAttribute("x2", plot.x(time));
  };
  return { picture: plot.picture, head };
}

/** The scores of one person as curves. */
export function curves(course, person, { label, width, from = course.start ?? 0, to = course.end }) {
  const plot = new Plot({ label, width, height: CURVES, from, to });
  const y = (share) => 8 + (1 - share) * (CURVES - 34);
  for (const share of [0, 0.5, 1]) {
    plot.picture.append(svg("line", { class: "axis", x1: LEFT, x2: plot.width - RIGHT, y1: y(share), y2: y(share) }));
    plot.write(LEFT - 8, y(share) + 4, `${100 * share} %`, "end");
  }
  const all = course.points.get(person) ?? [];
  const every = Math.max(1, Math.ceil(all.length / MOST_POINTS));
  const points = all.filter(({ back }, number) => back || number % every === 0);
  for (const name of Object.keys(points[0]?.scores ?? {})) {
    const steps = points.map(({ time, scores, back }, number) =>
      `${number === 0 || back ? "M" : "L"}${plot.x(time).toFixed(1)},${y(scores[name]).toFixed(1)}`);
    const curve = svg("path", { class: `curve ${name}`, d: steps.join("") }, svg("title", {}, name));
    plot.picture.append(curve);
  }
  plot.ticks(CURVES - 5, 0);
  return plot.picture;
}
