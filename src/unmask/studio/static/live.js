// The webcam: one frame at a time to the server, its reading laid over the picture as soon as it comes back.

import { $, announce, attempt, complain, make } from "./page.js";
import { Problem, drawn, exported, save } from "./service.js";
import { faceTable, fitStage, legend, mark } from "./faces.js";
import { Course, lanes } from "./timeline.js";
import { choices, key } from "./settings.js";

const WIDEST = 640; // pixels of a frame that is sent
const QUALITY = 0.85; // of its JPEG
const SHOWN_S = 30; // of the timeline
const KEPT = 36_000; // readings, about twenty minutes
const TABLE_MS = 250; // a table that changes faster cannot be read

let camera = null; // { stream, socket, ... } while it is on
let readings = [];
let course = new Course();
let frozen = null; // the frame and reading that were shown last

/** Prepare the area. */
export function startLive() {
  $("live-start").addEventListener("click", () => (camera ? stopLive() : attempt(start)));
  $("camera-off").addEventListener("click", stopLive);
  $("live-mirror").addEventListener("change", mirror);
  $("live-camera").addEventListener("change", () => {
    if (camera) {
      stopLive();
      attempt(start);
    }
  });
  $("live-csv").addEventListener("click", () => attempt(() => saveAs("csv")));
  $("live-jsonl").addEventListener("click", () => attempt(() => saveAs("jsonl")));
  $("live-picture").addEventListener("click", () => attempt(savePicture));
  $("live-clear").addEventListener("click", clear);
  addEventListener("pagehide", stopLive);
  mirror();
}

/** Turn the camera off, if it is on. */
export function stopLive() {
  if (!camera) return;
  const { stream, socket } = camera;
  camera = null;
  for (const track of stream.getTracks()) track.stop();
  socket.close(1000);
  $("live-video").srcObject = null;
  shown(false);
  tell(`The camera is off. ${readings.length} readings are kept in this page until you clear them or start again.`);
}

async function start() {
  if (!navigator.mediaDevices) {
    throw new Problem("This browser gives no camera to this address",
      "open the studio as http://localhost, or over https");
  }
  tell("Waiting for the camera …");
  $("live-start").disabled = true;
  let stream;
  try {
    const chosen = $("live-camera").value;
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, ...(chosen && { deviceId: { exact: chosen } }) },
    });
    const socket = await open();
    camera = { stream, socket, started: performance.now(), times: [], tabled: 0 };
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    tell("The camera is off.");
    if (error.name === "NotAllowedError") throw new Problem("The camera was not allowed", "allow it in the browser");
    if (error.name === "NotFoundError") throw new Problem("No camera was found", "connect one");
    throw error;
  } finally {
    $("live-start").disabled = false;
  }
  clear();
  const video = $("live-video");
  video.srcObject = stream;
  shown(true);
  tell("The camera is on.");
  listCameras();
  await video.play();
  fitStage($("live-stage"), video.videoWidth, video.videoHeight);
  const mine = camera;
  stream.getVideoTracks()[0].addEventListener("ended", () => camera === mine && stopLive());
  await run(mine, video);
}

/** A socket that has been told the settings and is ready. */
function open() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ ...choices(), ...(key() && { key: key() }) }));
    socket.onerror = () => reject(new Problem("The server does not answer", "see whether unmask studio is running"));
    socket.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      if (!said.ready) reject(new Problem(said.error, said.next));
      $("live-legend").replaceChildren(...legend(said.labels ?? []));
      resolve(socket);
    };
  });
}

/** Send a frame, wait for its reading, show it, and so on: the newest frame always, and never a queue. */
async function run(mine, video) {
  const canvas = document.createElement("canvas");
  while (camera === mine) {
    if (!video.videoWidth || document.hidden) {
      await pause(100);
      continue;
    }
    const scale = Math.min(1, WIDEST / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const taken = performance.now();
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    try {
      const said = await exchange(mine.socket, picture, (taken - mine.started) / 1000);
      if (camera !== mine) return;
      if (said.reading) take(mine, said, picture, performance.now() - taken);
      else complain(new Problem(said.error, said.next));
    } catch (error) {
      if (camera !== mine) return;
      stopLive();
      complain(error);
    }
  }
}

async function exchange(socket, picture, time) {
  const message = new Uint8Array(8 + picture.size);
  new DataView(message.buffer).setFloat64(0, time);
  message.set(new Uint8Array(await picture.arrayBuffer()), 8);
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Problem("The server ended the session", "start the camera again"));
    if (socket.readyState !== WebSocket.OPEN) {
      gone();
      return;
    }
    socket.onclose = gone;
    socket.onerror = gone;
    socket.onmessage = ({ data }) => resolve(JSON.parse(data));
    socket.send(message);
  });
}

function take(mine, { reading, server_ms: server }, picture, latency) {
  readings.push(reading);
  if (readings.length > KEPT) readings.shift();
  frozen = { picture, reading };
  course.add(reading);
  course.forget(reading.time_s - SHOWN_S);
  const now = performance.now();
  mine.times.push({ now, latency, server });
  while (mine.times[0].now < now - 1000) mine.times.shift();
  mark($("live-stage"), reading, { mirrored: $("live-mirror").checked });
  if (now - mine.tabled < TABLE_MS) return;
  mine.tabled = now;
  const middle = (name) => mine.times.map((one) => one[name]).sort((a, b) => a - b)[mine.times.length >> 1];
  $("live-latency").textContent = `${middle("latency").toFixed(0)} ms`;
  $("live-server").textContent = `${middle("server").toFixed(0)} ms`;
  $("live-rate").textContent = mine.times.length;
  $("live-faces").textContent = reading.faces.length;
  $("live-table").replaceChildren(faceTable(reading, { caption: "Scores in percent, now" }));
  $("live-lanes").replaceChildren(lanes(course, {
    label: `Expressions in the last ${SHOWN_S} seconds`, width: $("live-lanes").clientWidth,
    from: reading.time_s - SHOWN_S, to: reading.time_s, zero: reading.time_s,
  }).picture);
}

function shown(on) {
  $("camera-on").hidden = !on;
  $("live-stage").hidden = !on;
  $("live-figures").hidden = !on;
  $("live-start").textContent = on ? "Stop the camera" : "Start the camera";
  $("live-start").setAttribute("aria-pressed", on);
  $("live-legend").hidden = false;
  $("live-tools").hidden = !on && !readings.length;
  document.title = on ? `● Camera on – unmask studio` : document.title.replace("● Camera on", "Live");
}

function tell(words) {
  $("live-state").textContent = words;
  announce(words);
}

function mirror() {
  $("live-stage").classList.toggle("mirrored", $("live-mirror").checked);
}

/** Names of cameras are known once one has been allowed. */
async function listCameras() {
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  const before = $("live-camera").value;
  $("live-camera").replaceChildren(make("option", { value: "" }, "the usual one"), ...devices.map((one, number) => make(
    "option", { value: one.deviceId }, one.label || `camera ${number + 1}`)));
  $("live-camera").value = before;
}

function clear() {
  readings = [];
  course = new Course();
  $("live-table").replaceChildren();
  $("live-lanes").replaceChildren();
  $("live-tools").hidden = !camera;
  if (!camera) tell("The readings are forgotten.");
}

async function saveAs(format) {
  save(await exported(readings, format), `live.${format}`);
}

async function savePicture() {
  if (!frozen) return;
  save(await drawn(frozen.picture, frozen.reading), "live.png");
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
