// Calls to the server, and what goes wrong with them.

import { query, key } from "./settings.js";

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
  const answer = await ask("/v1/draw", { method: "POST", body: form(file, { reading: JSON.stringify(reading) }) });
  return answer.blob();
}

/** Readings as a file of the server's making. */
export async function exported(readings, format) {
  const answer = await ask(`/v1/export?format=${format}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ readings }),
  });
  return answer.blob();
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
