// Faces over a picture, and the table of their scores.

import { make } from "./page.js";

const TINY = 22; // pixels on the screen; a label would hide such a face and its neighbours

/** A share in percent, without the sign; only what is 100 stands as 100. */
export const hundredths = (share) => (share >= 0.995 && share < 1 - 1e-6 ? ">99" : `${Math.round(100 * share)}`);

/** A share in percent. */
export const percent = (share) => `${hundredths(share)} %`;

/** The expression, or in brackets the reason for naming none. */
export const verdict = (face) => face.expression ?? `(${face.abstained})`;

/** What a face is called in a table and over the picture: its person's number, or its own from 0, as in rows. */
export const nameOf = (face, place) => face.track_id ?? place;

const colour = (face) => face.expression ?? "none";

/** Lay the faces of a reading over a picture or film in a stage; returns their marks. */
export function mark(stage, reading, { mirrored = false } = {}) {
  let layer = stage.querySelector(".marks");
  if (!layer) {
    layer = make("div", { className: "marks", ariaHidden: "true" }); // the table says the same in words
    stage.append(layer);
  }
  const faces = reading?.faces ?? [];
  const scale = stage.clientWidth / (reading?.width || 1);
  const marks = faces.map((face, place) => {
    const [x1, y1, x2, y2] = face.box;
    const box = make("div", { className: `mark ${colour(face)}` });
    const left = mirrored ? reading.width - x2 : x1;
    box.style.left = `${(100 * left) / reading.width}%`;
    box.style.top = `${(100 * y1) / reading.height}%`;
    box.style.width = `${(100 * (x2 - x1)) / reading.width}%`;
    box.style.height = `${(100 * (y2 - y1)) / reading.height}%`;
    if (y1 * scale < 28) box.classList.add("at-top");
    if (left * scale > stage.clientWidth - 130) box.classList.add("at-right");
    if ((x2 - x1) * scale < TINY) box.classList.add("tiny");
    const roomy = faces.length === 1 || (x2 - x1) * scale > 90;
    const full = face.expression ? `${verdict(face)} ${percent(face.confidence)}` : verdict(face);
    const alone = faces.length === 1 && face.track_id === null;
    const name = nameOf(face, place);
    box.append(make("span", {}, alone ? full : roomy ? `${name}: ${full}` : `${name}`));
    return box;
  });
  layer.replaceChildren(...marks);
  return marks;
}

/** The faces of a reading as a table with a bar for each score. */
export function faceTable(reading, { caption, marks = [] }) {
  if (!reading.faces.length) return make("p", { className: "about" }, "No face was found.");
  const labels = Object.keys(reading.faces[0].scores);
  const moves = reading.faces.some((face) => face.track_id !== null);
  const heads = labels.map((label) => make("th", { scope: "col" }, make("abbr", { title: label }, label.slice(0, 3))));
  const rows = reading.faces.map((face, place) => {
    const cells = labels.map((label) => {
      const cell = make("td", { className: `bar ${label}${label === face.expression ? " top" : ""}` },
        hundredths(face.scores[label]));
      cell.style.setProperty("--s", face.scores[label].toFixed(3));
      return cell;
    });
    const row = make("tr", {}, make("td", {}, `${nameOf(face, place)}`),
      make("th", { scope: "row" }, make("span", { className: `chip ${colour(face)}` }), verdict(face)), ...cells);
    row.addEventListener("pointerenter", () => marks[place]?.classList.add("chosen"));
    row.addEventListener("pointerleave", () => marks[place]?.classList.remove("chosen"));
    return row;
  });
  return make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: caption },
    make("table", { className: "faces" },
      make("caption", {}, caption),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, moves ? "Person" : "Face"),
        make("th", { scope: "col" }, "Expression"), ...heads)),
      make("tbody", {}, ...rows)));
}

/** A reading in words. */
export function inWords(reading) {
  const faces = reading.faces;
  if (!faces.length) return "no face";
  if (faces.length === 1) return `1 face: ${verdict(faces[0])}`;
  const counts = new Map();
  for (const face of faces) counts.set(verdict(face), (counts.get(verdict(face)) ?? 0) + 1);
  const words = [...counts].sort((a, b) => b[1] - a[1]).map(([word, count]) => `${count} ${word}`);
  return `${faces.length} faces: ${words.join(", ")}`;
}

/** Make a stage as large as its picture or film may be shown: as wide as the page, and no higher than the window. */
export function fitStage(stage, width, height) {
  stage.style.width = `min(100%, ${((75 * width) / height).toFixed(3)}vh)`;
  stage.style.aspectRatio = `${width} / ${height}`;
}

/** The colours of the labels, as items of a list. */
export function legend(labels) {
  return [...labels, "none"].map((label) => make("li", {}, make("span", { className: `chip ${label}` }),
    label === "none" ? "no expression named" : label));
}
