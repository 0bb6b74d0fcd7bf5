// Live updates: when the server says that the log has grown or an approval waits, the parts of this page that are
// marked with data-live are fetched again and replaced. A person who is reading, typing or in a dialog is asked first.
import { fetchPage, say } from "./fetched.js";

const notice = document.getElementById("notice");
let pending = false;

export function startLive() {
  const url = document.body.dataset.stream;
  if (!url) return;
  const source = new EventSource(url);
  for (const kind of ["changed", "standing", "approvals"]) source.addEventListener(kind, arrived);
  notice.querySelector("button").addEventListener("click", () => {
    notice.hidden = true;
    refresh();
  });
  addEventListener("pagehide", () => source.close());
}

function arrived() {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    if (isBusy()) announce();
    else refresh();
  }, 250); // what comes together is fetched once
}

function announce() {
  notice.firstElementChild.textContent = "The log has grown.";
  notice.hidden = false;
  say("The log has grown. Use Show to see it.");
}

async function refresh() {
  let page;
  try {
    page = await fetchPage(location.href);
  } catch (error) {
    say(`The page cannot be updated: ${error.message}`);
    return;
  }
  let changed = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!fresh || part.isEqualNode(fresh)) continue;
    part.replaceWith(document.importNode(fresh, true));
    changed = true;
  }
  if (changed) say("The page was updated.");
  document.dispatchEvent(new Event("refreshed"));
}

function isBusy() {
  const focused = document.activeElement;
  return Boolean(focused?.closest("main") && focused.id !== "main") || document.querySelector("dialog[open]") != null;
}
