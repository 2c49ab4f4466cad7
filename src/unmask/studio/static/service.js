// Calls to the server, and what goes wrong with them.

import { blurred, key, query } from "./settings.js";

const PART = 4000; // readings that are sent at a time

/** A refusal of the server: what is wrong, and what to do. */
export class Problem extends Error {
  constructor(error, next) {
    super(next ? `${error}. Next: ${next}.` : error);
  }
}

/** Send a request and give the answer; refusals become problems. */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key()) headers.set("X-API-Key", key());
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer", "see whether unmask studio is still running");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    throw new Problem("This server wants a key", "enter it under Settings");
  }
  throw new Problem(said.error ?? `${answer.status} ${answer.statusText}`, said.next ?? "");
}

/** A form with one file, and further fields. */
export function form(file, fields = {}) {
  const data = new FormData();
  data.append("file", file, file.name ?? "picture.jpg");
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

/** The reading of one picture. */
export async function readPicture(file) {
  const answer = await ask(`/v1/read${query()}`, { method: "POST", body: form(file) });
  return (await answer.json()).readings[0];
}

/** A picture with its faces drawn by the server, as a PNG. */
export async function drawn(file, reading) {
  const answer = await ask(`/v1/draw${blurred() ? "?blur=true" : ""}`, { method: "POST", body: form(file, { reading: JSON.stringify(reading) }) });
  return answer.blob();
}

/** Readings as a file: CSV of the server's making, in parts that its limits let through; JSON as they came. */
export async function exported(readings, format) {
  if (format === "jsonl") return new Blob(readings.map((reading) => `${JSON.stringify(reading)}\n`));
  if (format === "json") return new Blob([JSON.stringify(readings, null, 1), "\n"], { type: "application/json" });
  const labels = Object.keys(readings.find((reading) => reading.faces.length)?.faces[0].scores ?? {});
  const parts = [];
  for (let start = 0; start < readings.length; start += PART) {
    const answer = await ask("/v1/export?format=csv", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ readings: readings.slice(start, start + PART), labels }),
    });
    const text = await answer.text();
    parts.push(start ? text.slice(text.indexOf("\n") + 1) : text);
  }
  return new Blob(parts, { type: "text/csv" });
}

/** Objects of an answer that comes line by line. */
export async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

/** Let the browser save a file. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
