// Films: read frame by frame, then watched with their faces, a timeline and what each person showed.

import { $, make, announce, attempt, complain, takeFiles, stem } from "./page.js";
import { ask, exported, form, lines, Problem, save } from "./service.js";
import { fitStage, hundredths, inWords, legend, mark, nameOf, percent, verdict } from "./faces.js";
import { Course, curves, lanes } from "./timeline.js";
import { blurred, query } from "./settings.js";

const REDRAW_MS = 500; // of the timeline, while the film is read

let film = null; // what is known of the film that is shown
let stopper = null; // stops what is on its way to the server

/** Prepare the area. */
export function startFilms() {
  takeFiles({ input: $("film-input"), drop: $("film-drop"), area: $("films"), kind: "video/",
    take: ([file]) => attempt(() => read(file)) });
  $("film-stop").addEventListener("click", () => stopper?.abort());
  $("film-time").addEventListener("input", () => go(Number($("film-time").value), { seek: true }));
  $("film-person").addEventListener("change", drawCurves);
  $("film-csv").addEventListener("click", () => attempt(() => saveAs("csv")));
  $("film-jsonl").addEventListener("click", () => attempt(() => saveAs("jsonl")));
  $("film-annotated").addEventListener("click", () => attempt(saveAnnotated));
  $("film-convert").addEventListener("click", () => attempt(showAnnotated));
  follow($("film-video"));
  new ResizeObserver(() => film && draw()).observe($("film-lanes"));
}

async function read(file) {
  stopper?.abort();
  stopper = new AbortController();
  const mine = stopper;
  film = { file, readings: [], course: new Course(), summary: null, head: () => {}, drawn: false };
  play(file);
  $("film-name").textContent = file.name;
  $("film-result").hidden = false;
  $("film-progress").hidden = false;
  $("film-bar").removeAttribute("value");
  $("film-state").textContent = "The film is sent to the server on this machine.";
  let last = 0;
  let problem = null;
  try {
    const answer = await ask(`/v1/films${query()}`, { method: "POST", body: form(file), signal: mine.signal });
    for await (const event of lines(answer)) {
      if (event.event === "error") problem ??= `${event.error}. Next: ${event.next}.`;
      else take(event);
      if (performance.now() - last > REDRAW_MS) {
        last = performance.now();
        draw();
      }
    }
    tell(problem ? "read, but not the whole film" : "read");
  } catch (error) {
    if (mine !== stopper) return;
    tell("read until it was stopped");
    throw error;
  } finally {
    if (mine === stopper) {
      $("film-progress").hidden = true;
      draw();
    }
  }
  if (problem) throw new Error(problem);
}

function take(event) {
  if (event.event === "summary") {
    film.summary = event.summary;
    return;
  }
  const { reading } = event;
  film.readings.push(reading);
  film.course.add(reading);
  const { duration } = $("film-video");
  if (duration > 0) $("film-bar").value = Math.min(reading.time_s / duration, 1);
  $("film-state").textContent = `${film.readings.length} frames, ${reading.time_s.toFixed(1)} s of the film`;
}

function tell(how) {
  const count = film.course.people.length;
  const words = `${film.readings.length} frames ${how}, ${count === 1 ? "1 person" : `${count} people`}.`;
  $("film-state").textContent = words;
  announce(words);
}

/** Show a film; with `drawn`, its faces are in its picture already. */
function play(file, { drawn = false } = {}) {
  const video = $("film-video");
  if (video.src) URL.revokeObjectURL(video.src);
  film.drawn = drawn;
  mark($("film-stage"), null);
  $("film-stage").hidden = false;
  $("film-unplayable").hidden = true;
  video.src = URL.createObjectURL(file);
}

function draw() {
  const { course } = film;
  const { picture, head } = lanes(course, {
    label: `Expressions of ${course.people.length} people over time; the tables below say the same in numbers`,
    width: $("film-lanes").clientWidth,
  });
  film.head = head;
  $("film-lanes").replaceChildren(picture);
  const first = film.readings.find((reading) => reading.faces.length);
  $("film-legend").replaceChildren(...(first ? legend(Object.keys(first.faces[0].scores)) : []));
  $("film-time").min = course.start ?? 0;
  $("film-time").max = course.end;
  const before = Number($("film-person").value);
  $("film-person").replaceChildren(...course.people.map((person) => make("option", { value: person },
    `person ${person}`)));
  if (course.people.includes(before)) $("film-person").value = before;
  $("film-people").replaceChildren(peopleTable());
  $("film-events").replaceChildren(eventTable());
  drawCurves();
  go(Number($("film-time").value));
}

function drawCurves() {
  const person = Number($("film-person").value);
  $("film-curves").replaceChildren(curves(film.course, person, { label: `Scores of person ${person} over time`,
    width: $("film-curves").clientWidth }));
}

function table(caption, heads, rows) {
  const columns = heads.map((head) => make("th", { scope: "col" }, head));
  return make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: caption },
    make("table", { className: "people" }, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...columns)), make("tbody", {}, ...rows)));
}

function peopleTable() {
  const people = film.summary?.people ?? [];
  if (!people.length) {
    return make("p", { className: "about" }, film.summary ? "Nobody was found." : "They stand here once the film is "
      + "read.");
  }
  const labels = Object.keys(people[0].shares);
  const rows = people.map((person) => {
    const bars = labels.map((label) => {
      const cell = make("td", { className: `bar ${label}` }, hundredths(person.shares[label]));
      cell.style.setProperty("--s", person.shares[label].toFixed(3));
      return cell;
    });
    const withheld = Object.values(person.withheld).reduce((sum, share) => sum + share, 0);
    return make("tr", {}, make("th", { scope: "row" }, `person ${person.track_id}`),
      make("td", {}, jump(person.first_s)), make("td", {}, `${person.seen_s.toFixed(2)} s`), ...bars,
      make("td", {}, hundredths(withheld)));
  });
  const short = labels.map((label) => make("abbr", { title: label }, label.slice(0, 3)));
  return table("Share of the time in which each person was seen, in percent, by the expression that was named",
    ["Person", "From", "Seen", ...short, "none"], rows);
}

function eventTable() {
  const events = (film.summary?.people ?? []).flatMap((person) => person.events.map((event) => ({ ...event,
    person: person.track_id })));
  if (!events.length) {
    return make("p", { className: "about" }, film.summary ? "No expression but neutral lasted long enough to be an "
      + "event." : "");
  }
  events.sort((a, b) => a.onset_s - b.onset_s);
  const rows = events.map((event) => make("tr", {}, make("th", { scope: "row" }, `person ${event.person}`),
    make("td", {}, make("span", { className: `chip ${event.expression}` }), event.expression),
    ...["onset_s", "peak_s", "offset_s"].map((name) => make("td", {}, jump(event[name]))),
    make("td", {}, percent(event.peak_score))));
  return table("Events; a time takes the film there", ["Person", "Expression", "Onset", "Peak", "Offset", "Peak score"],
    rows);
}

function jump(time) {
  const button = make("button", { type: "button" }, `${time.toFixed(2)} s`);
  button.addEventListener("click", () => go(time, { seek: true }));
  return button;
}

/** Show the frame that is on the screen as the film plays. */
function follow(video) {
  const shown = (time) => film?.readings.length && go(film.readings[0].time_s + time);
  const step = (_, { mediaTime }) => {
    shown(mediaTime);
    video.requestVideoFrameCallback(step);
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(step);
  else video.addEventListener("timeupdate", () => shown(video.currentTime));
  video.addEventListener("loadedmetadata", () => fitStage($("film-stage"), video.videoWidth, video.videoHeight));
  video.addEventListener("error", () => {
    $("film-stage").hidden = true;
    $("film-unplayable").hidden = false;
  });
}

function go(time, { seek = false } = {}) {
  $("film-time").value = time;
  $("film-clock").textContent = `${time.toFixed(2)} s`;
  film.head(time);
  const reading = at(time);
  if (!reading) return;
  if (seek) $("film-video").currentTime = time - film.readings[0].time_s;
  if (!film.drawn) mark($("film-stage"), reading);
  $("film-now").textContent = reading.faces.length
    ? reading.faces.map((face, place) => `person ${nameOf(face, place)}: ${verdict(face)}`).join(", ")
    : inWords(reading);
}

/** The last reading that is not after a time. */
function at(time) {
  const { readings } = film;
  let [low, high] = [0, readings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (readings[middle].time_s <= time + 0.002) low = middle + 1;
    else high = middle;
  }
  return readings[Math.max(low - 1, 0)];
}

async function saveAs(format) {
  save(await exported(film.readings, format), `${stem(film.file.name)}.${format}`);
}

/** The film as the server draws it; the button that asked for it waits. */
async function annotated(button) {
  const words = button.textContent;
  button.disabled = true;
  button.textContent = "The server draws the film …";
  try {
    const address = `/v1/films/annotated${query(blurred() ? { blur: true } : {})}`;
    const answer = await ask(address, { method: "POST", body: form(film.file) });
    const problem = answer.headers.get("Unmask-Problem");
    if (problem) {
      const { error, next } = JSON.parse(problem);
      complain(new Problem(error, next));
    }
    return await answer.blob();
  } finally {
    button.disabled = false;
    button.textContent = words;
  }
}

async function saveAnnotated() {
  const { name } = film.file; // another film may be opened meanwhile
  save(await annotated($("film-annotated")), `${stem(name)}_read.mp4`);
}

async function showAnnotated() {
  const mine = film;
  const drawn = await annotated($("film-convert"));
  if (film === mine) play(drawn, { drawn: true });
}
