// Small helpers for the document, and the areas of the page.

/** The element with an id. */
export const $ = (id) => document.getElementById(id);

/** A new element: its properties, and its children as nodes or text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Say something to people who hear the page. */
export function announce(text) {
  $("announcer").textContent = text;
}

/** Show what went wrong, with a button to take it away. */
export function complain(error) {
  const close = make("button", { type: "button" }, "Dismiss");
  const box = make("div", { className: "problem" }, close, error.message);
  close.addEventListener("click", () => {
    box.remove();
    $("content").focus();
  });
  const others = [...$("problems").children];
  if (others.length > 4) others[0].remove();
  $("problems").append(box);
}

/** Run something; show what goes wrong with it. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
    return undefined;
  }
}

/** Let files be chosen, dropped or pasted: calls back with those of the kind wanted. */
export function takeFiles({ input, drop, area, kind, take }) {
  const [other, place] = kind === "image/" ? ["video/", "Films"] : ["image/", "Photos"];
  const wanted = (list) => {
    const stray = [...list].find((file) => file.type.startsWith(other));
    if (stray) complain(new Error(`${stray.name}: open it under ${place}.`));
    return [...list].filter((file) => !file.type || file.type.startsWith(kind));
  };
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) take(files);
  });
  for (const name of ["dragenter", "dragover"]) {
    area.addEventListener(name, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) drop.classList.remove("over");
  });
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = wanted(event.dataTransfer.files);
    if (files.length) take(files);
  });
  document.addEventListener("paste", (event) => {
    if (area.hidden) return;
    const files = wanted(event.clipboardData.files);
    if (files.length) take(files);
  });
}

/** A file name without its ending. */
export const stem = (name) => name.replace(/\.[^.]*$/, "") || "picture";

/** Show the area that the address names; calls back when one is left. */
export function navigate({ left }) {
  const areas = [...document.querySelectorAll("main > section")];
  let current = null;
  const show = () => {
    const target = document.getElementById(location.hash.slice(1));
    const area = target?.closest("main > section") ?? areas[0];
    if (area !== current) {
      if (current) {
        left(current.id);
        $("problems").replaceChildren();
      }
      for (const other of areas) other.hidden = other !== area;
      for (const link of document.querySelectorAll("nav a")) {
        if (link.hash === `#${area.id}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      const title = area.querySelector("h1");
      document.title = `${title.textContent} – unmask studio`;
      if (current) title.focus();
      current = area;
      window.scrollTo(0, 0);
    }
    if (target && target !== area) {
      target.focus();
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", show);
  show();
}
