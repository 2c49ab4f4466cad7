// Films: read frame by frame, then watched with their faces, a timeline and what each person showed.

import { $, make, announce, attempt, takeFiles, stem } from "./page.js";
import { ask, exported, form, lines, save } from "./service.js";
import { inWords, legend, mark, nameOf, verdict } from "./faces.js";
import { Course, curves, lanes } from "./timeline.js";
import { query } from "./settings.js";

const REDRAW_MS = 500; // of the timeline, while the film is read

let film = null; // { file, readings, course, people, head }
let stopper = null;

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
  follow($("film-video"));
}

async function read(file) {
  stopper?.abort();
  stopper = new AbortController();
  const mine = stopper;
  film = { file, readings: [], course: new Course(), people: [], head: () => {} };
  show(file);
  $("film-progress").hidden = false;
  $("film-bar").removeAttribute("value");
  $("film-state").textContent = "";
  let drawn = 0;
  try {
    const answer = await ask(`/v1/films${query()}`, { method: "POST", body: form(file), signal: mine.signal });
    for await (const event of lines(answer)) {
      if (event.event === "reading") {
        film.readings.push(event.reading);
        film.course.add(event.reading);
        progress(event.reading.time_s);
        if (performance.now() - drawn > REDRAW_MS) {
          drawn = performance.now();
          draw();
        }
      } else if (event.event === "people") film.people = event.people;
      else if (event.event === "error") throw new Error(`${event.error}. Next: ${event.next}.`);
    }
    tell("read");
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    if (mine === stopper) tell("read until it was stopped");
  } finally {
    if (mine === stopper) {
      $("film-progress").hidden = true;
      draw();
    }
  }
}

function tell(how) {
  const count = film.course.people.size;
  const words = `${film.readings.length} frames ${how}, ${count === 1 ? "1 person" : `${count} people`}.`;
  $("film-state").textContent = words;
  announce(words);
}

function progress(time) {
  const { duration } = $("film-video");
  if (duration > 0) $("film-bar").value = Math.min(time / duration, 1);
  $("film-state").textContent = `${film.readings.length} frames, ${time.toFixed(1)} s of the film`;
}

function show(file) {
  const video = $("film-video");
  if (video.src) URL.revokeObjectURL(video.src);
  $("film-name").textContent = file.name;
  $("film-result").hidden = false;
  $("film-stage").hidden = false;
  $("film-unplayable").hidden = true;
  video.src = URL.createObjectURL(file);
}

function draw() {
  const { course, people } = film;
  const { picture, head } = lanes(course, { label: `Expressions of ${course.people.size} people over time; the table `
    + "of people says the same in numbers" });
  film.head = head;
  $("film-lanes").replaceChildren(picture);
  const first = film.readings.find((reading) => reading.faces.length);
  $("film-legend").replaceChildren(...(first ? legend(Object.keys(first.faces[0].scores)) : []));
  $("film-time").min = course.start ?? 0;
  $("film-time").max = course.end;
  const before = $("film-person").value;
  $("film-person").replaceChildren(...[...course.people.keys()].sort((a, b) => a - b).map((person) => make("option", {
    value: person }, `person ${person}`)));
  if (course.people.has(Number(before))) $("film-person").value = before;
  $("film-people").replaceChildren(peopleTable(people));
  drawCurves();
  go(Number($("film-time").value));
}

function drawCurves() {
  if (!film) return;
  const person = Number($("film-person").value);
  $("film-curves").replaceChildren(curves(film.course, person, { label: `Scores of person ${person} over time` }));
}

function peopleTable(people) {
  if (!people.length) return make("p", { className: "about" }, "They stand here once the film is read.");
  const labels = Object.keys(people[0].scores);
  const heads = labels.map((label) => make("th", { scope: "col" }, make("abbr", { title: label }, label.slice(0, 3))));
  const rows = people.map((person) => make("tr", {},
    make("th", { scope: "row" }, `person ${person.track_id}`),
    make("td", {}, `${person.first_s.toFixed(2)} s`), make("td", {}, `${person.last_s.toFixed(2)} s`),
    make("td", {}, `${person.frames}`), ...labels.map((label) => {
      const cell = make("td", { className: `bar ${label}` }, `${Math.round(100 * (person.shares[label] ?? 0))}`);
      cell.style.setProperty("--s", (person.shares[label] ?? 0).toFixed(3));
      return cell;
    })));
  const caption = "Share of the time in which each person showed each expression, in percent";
  return make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: caption },
    make("table", { className: "faces" }, make("caption", {}, caption), make("thead", {}, make("tr", {},
      make("th", { scope: "col" }, "Person"), make("th", { scope: "col" }, "From"), make("th", { scope: "col" }, "To"),
      make("th", { scope: "col" }, "Frames"), ...heads)), make("tbody", {}, ...rows)));
}

/** Show the frame that is on the screen as the film plays. */
function follow(video) {
  const step = (_, data) => {
    if (film) go((film.readings[0]?.time_s ?? 0) + data.mediaTime);
    video.requestVideoFrameCallback(step);
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(step);
  else video.addEventListener("timeupdate", () => film && go((film.readings[0]?.time_s ?? 0) + video.currentTime));
  video.addEventListener("loadedmetadata", () => film && go(film.course.start ?? 0));
  new ResizeObserver(() => film && go(Number($("film-time").value))).observe(video);
  video.addEventListener("error", () => {
    $("film-stage").hidden = true;
    $("film-unplayable").hidden = false;
  });
}

function go(time, { seek = false } = {}) {
  const reading = at(time);
  $("film-time").value = time;
  $("film-clock").textContent = `${time.toFixed(2)} s`;
  film.head(time);
  if (seek) $("film-video").currentTime = time - (film.readings[0]?.time_s ?? 0);
  if (!reading) return;
  mark($("film-stage"), reading);
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

async function saveAnnotated() {
  const button = $("film-annotated");
  button.disabled = true;
  button.textContent = "Drawing the film …";
  try {
    const answer = await ask(`/v1/films/annotated${query()}`, { method: "POST", body: form(film.file) });
    save(await answer.blob(), `${stem(film.file.name)}_read.mp4`);
  } finally {
    button.disabled = false;
    button.textContent = "Save the annotated film";
  }
}
