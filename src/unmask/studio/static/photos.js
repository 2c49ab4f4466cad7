// Photos: read as they come, shown with their faces, saved when asked.

import { $, make, announce, attempt, complain, takeFiles, stem } from "./page.js";
import { drawn, exported, readPicture, save } from "./service.js";
import { faceTable, inWords, mark } from "./faces.js";

const AT_A_TIME = 4; // requests on their way
const SHOWN = 200; // pictures on the page; more would fill the browser's memory

let readings = [];
let waiting = [];
let running = 0;
let failed = 0;

/** Prepare the area. */
export function startPhotos() {
  takeFiles({ input: $("photo-input"), drop: $("photo-drop"), area: $("photos"), kind: "image/", take });
  $("photo-csv").addEventListener("click", () => attempt(() => saveAll("csv")));
  $("photo-json").addEventListener("click", () => attempt(() => saveAll("json")));
  $("photo-clear").addEventListener("click", clear);
}

function take(files) {
  waiting.push(...files);
  while (running < AT_A_TIME && waiting.length) work();
  tell();
}

async function work() {
  running += 1;
  while (waiting.length) {
    const file = waiting.shift();
    try {
      show(file, await readPicture(file));
    } catch (error) {
      failed += 1;
      complain(error);
    }
    tell();
  }
  running -= 1;
  tell();
}

function tell() {
  const left = waiting.length + running;
  const done = `${readings.length} read${failed ? `, ${failed} could not be read` : ""}`;
  $("photo-state").textContent = left ? `${done}, ${left} to go` : readings.length || failed ? `${done}.` : "";
  $("photo-tools").hidden = !readings.length;
}

function show(file, reading) {
  readings.push(reading);
  const address = URL.createObjectURL(file);
  const image = make("img", { src: address, alt: `${reading.source}, ${inWords(reading)}` });
  const stage = make("div", { className: "stage" }, image);
  const title = make("h2", {}, reading.source);
  const marks = [];
  const lay = () => marks.splice(0, marks.length, ...mark(stage, reading));
  const table = faceTable(reading, { caption: `Scores in percent: ${reading.source}`, marks });
  const article = make("article", { ariaLabel: reading.source }, title,
    make("p", { className: "about" }, `${reading.width} × ${reading.height} pixels, ${inWords(reading)}`),
    stage, table, make("div", { className: "bar-of-buttons" }, button("Save annotated picture", async () => {
      save(await drawn(file, reading), `${stem(reading.source)}_read.png`);
    })));
  image.addEventListener("load", lay);
  image.addEventListener("error", () => attempt(async () => {
    // The browser does not know the format: the server draws the picture.
    if (image.src !== address) return;
    image.src = URL.createObjectURL(await drawn(file, { ...reading, faces: [] }));
  }));
  new ResizeObserver(() => image.complete && image.naturalWidth && lay()).observe(stage);
  $("photo-results").prepend(article);
  while ($("photo-results").children.length > SHOWN) forget($("photo-results").lastElementChild);
  announce(`${reading.source}: ${inWords(reading)}`);
}

function button(text, action) {
  const element = make("button", { type: "button" }, text);
  element.addEventListener("click", () => attempt(action));
  return element;
}

function forget(article) {
  URL.revokeObjectURL(article.querySelector("img").src);
  article.remove();
}

async function saveAll(format) {
  save(await exported(readings, format), `expressions.${format}`);
}

function clear() {
  for (const article of [...$("photo-results").children]) forget(article);
  readings = [];
  waiting = [];
  failed = 0;
  $("problems").replaceChildren();
  tell();
  announce("All photos are cleared.");
  $("photo-input").focus();
}
