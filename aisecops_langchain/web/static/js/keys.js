// The keyboard: what the dialog under "?" lists. Nothing is taken from whoever types into a field or holds a modifier.
import { toggleTheme } from "./toggle.js";

const ROOMS = { r: "/", a: "/approvals", m: "/measures", l: "/log", c: "/compare", d: "/drift", b: "/blast-radius" };
let leading = false;

export function startKeys() {
  const button = document.getElementById("keys-open");
  const dialog = document.getElementById("keys");
  button.hidden = false;
  button.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isOpen()) return;
    if (pressed(event.key)) event.preventDefault();
  });
}

function pressed(key) {
  if (leading) {
    leading = false;
    if (Object.hasOwn(ROOMS, key)) location.assign(ROOMS[key]);
    return Object.hasOwn(ROOMS, key);
  }
  switch (key) {
    case "g":
      leading = true;
      return true;
    case "j":
      return moveRow(1);
    case "k":
      return moveRow(-1);
    case "t":
      toggleTheme();
      return true;
    case "/":
      return focusOn("main form input:not([type=hidden]), main form select, main [data-find]");
    case "?":
      document.getElementById("keys").showModal();
      return true;
    default:
      return false;
  }
}

function moveRow(step) {
  const links = [...document.querySelectorAll("[data-rows] tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);
  if (!links.length) return false;
  const row = document.activeElement?.closest("[data-rows] tbody tr");
  const at = row ? links.indexOf(row.querySelector("a")) : step > 0 ? -1 : links.length;
  const next = links[Math.min(Math.max(at + step, 0), links.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function focusOn(selector) {
  const field = document.querySelector(selector);
  field?.focus();
  return Boolean(field);
}

function isTyping(target) {
  return target.closest?.("input, select, textarea, [contenteditable]") != null;
}

function isOpen() {
  return document.querySelector("dialog[open]") != null;
}
