// What is read with: model, labels, detector and thresholds, as the server offers them.

import { $, make, announce, attempt } from "./page.js";
import { ask } from "./service.js";

const THRESHOLDS = {
  min_size: "Shortest side of a face, in pixels",
  min_sharpness: "Least sharpness",
  max_yaw: "Degrees turned to a side, at most",
  max_pitch: "Degrees turned up or down, at most",
  min_confidence: "Least highest score, 0 to 1",
  min_margin: "Least lead over the second score, 0 to 1",
};

let offered = { models: [], detectors: [] };

const field = (name) => $(`set-${name}`);
const model = () => offered.models.find((entry) => entry.name === field("model").value) ?? offered.models[0];

/** The key that the user entered, or nothing. */
export const key = () => field("key").value;

/** The choices as an object: those that differ from the server's own, and the model's labels. */
export function choices() {
  const chosen = {};
  if (!model()) return chosen;
  const usual = { model: offered.models.find((entry) => entry.default), head: model().heads[0] };
  usual.detector = offered.detectors.find((entry) => entry.default);
  for (const [name, own] of Object.entries(usual)) {
    if (field(name).value !== own.name) chosen[name] = field(name).value;
  }
  if (!field("abstain").checked) return { ...chosen, abstain: false };
  for (const name of Object.keys(THRESHOLDS)) {
    if (field(name).value !== "" && field(name).validity.valid) chosen[name] = Number(field(name).value);
  }
  return chosen;
}

/** Whether faces are to be unrecognisable in what is saved. */
export const blurred = () => field("blur").checked;

/** The choices, and perhaps more, as the query of an address. */
export function query(more = {}) {
  const text = new URLSearchParams({ ...choices(), ...more }).toString();
  return text && `?${text}`;
}

/** Ask the server what it offers, and show it. */
export async function loadSettings() {
  offered = await (await ask("/v1/models")).json();
  fill(field("model"), offered.models);
  fill(field("detector"), offered.detectors);
  showModel();
}

/** Prepare the form. */
export function startSettings() {
  for (const [name, label] of Object.entries(THRESHOLDS)) {
    const most = /^min_(confidence|margin)$/.test(name) ? { max: 1 } : {};
    const input = make("input", { id: `set-${name}`, type: "number", min: 0, step: "any", ...most });
    $("set-thresholds").append(make("label", {}, label, input));
  }
  $("settings-form").addEventListener("submit", (event) => event.preventDefault());
  $("settings-form").addEventListener("reset", () => setTimeout(() => {
    showModel();
    announce("The server's own settings hold again.");
  }));
  field("model").addEventListener("change", showModel);
  field("key").addEventListener("change", () => attempt(loadSettings));
  $("settings-form").addEventListener("input", () => {
    const off = !field("abstain").checked;
    for (const name of Object.keys(THRESHOLDS)) field(name).disabled = off;
    const count = Object.keys(choices()).length;
    const invalid = $("settings-form").querySelector(":invalid");
    $("settings-state").textContent = invalid
      ? "A threshold is out of its range and is not used."
      : count ? `${count} of these settings differ from the server's own.` : "";
  });
}

function fill(select, entries) {
  const usual = entries.find((entry) => entry.default) ?? entries[0];
  select.replaceChildren(
    ...entries.map((entry) => make("option", {
      value: entry.name, defaultSelected: entry === usual, selected: entry === usual,
    }, entry.name)),
  );
}

function showModel() {
  const chosen = model();
  if (!chosen) return;
  const before = field("head").value;
  field("head").replaceChildren(...chosen.heads.map((head, number) => make("option", {
    value: head.name, defaultSelected: number === 0,
  }, `${head.name}: ${head.labels.join(", ")}`)));
  if (chosen.heads.some((head) => head.name === before)) field("head").value = before;
  for (const [name, value] of Object.entries(chosen.thresholds)) field(name).placeholder = value;
  const facts = [
    ["Name", `${chosen.name} ${chosen.version}`],
    ["Parameters", chosen.parameters.toLocaleString("en")],
    ["Face crop", `${chosen.input.size} × ${chosen.input.size} pixels, grey`],
    ...Object.entries(chosen.accuracy).map(([name, share]) => [`Right on ${name}`, `${(100 * share).toFixed(1)} %`]),
    ["Terms", chosen.licence],
  ];
  const rows = facts.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", { className: "text" }, value)));
  $("model-card").replaceChildren(make("div", { className: "scroll", tabIndex: 0, role: "region",
    "aria-labelledby": "settings-title" }, make("table", { className: "facts" }, make("tbody", {}, ...rows))));
}
