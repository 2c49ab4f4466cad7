// The page: areas and what they do.

import { $, attempt, navigate } from "./page.js";
import { loadSettings, startSettings } from "./settings.js";
import { startPhotos } from "./photos.js";
import { startFilms } from "./films.js";
import { startLive, stopLive } from "./live.js";

startSettings();
startPhotos();
startFilms();
startLive();
navigate({ left: (area) => area === "live" && stopLive() });
$("notice-copy").addEventListener("click", () => attempt(async () => {
  await navigator.clipboard.writeText($("notice-text").textContent.replace(/\s+/g, " ").trim());
  $("notice-copy").textContent = "Copied";
}));
attempt(loadSettings);
