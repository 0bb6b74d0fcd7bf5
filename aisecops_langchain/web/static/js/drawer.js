// The event drawer: opens what a link to an event leads to, beside the page. The address names the open event, so that
// it can be sent to somebody; Escape closes it and gives the focus back.
import { fetchPage, say } from "./fetched.js";

const drawer = document.getElementById("drawer");
let opener = null;

export function startDrawer() {
  document.addEventListener("click", clicked);
  drawer.addEventListener("close", closed);
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer) drawer.close(); // on the backdrop
  });
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  addEventListener("popstate", restore);
  restore();
}

export async function openEvent(url, from) {
  opener = from ?? opener ?? document.activeElement;
  await show(url);
  const address = new URL(location.href);
  const asked = new URL(url, location.href).searchParams;
  if (address.searchParams.get("event") !== asked.get("event")) {
    address.searchParams.set("event", asked.get("event"));
    address.searchParams.set("of", asked.get("trace"));
    history.pushState(null, "", address);
  }
}

function clicked(event) {
  const link = event.target.closest("a[data-event]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  openEvent(link.href, drawer.contains(link) ? null : link);
}

async function show(url) {
  let page;
  try {
    page = await fetchPage(url);
  } catch (error) {
    say(`The event cannot be shown: ${error.message}`);
    location.assign(url);
    return;
  }
  const found = page.getElementById("event");
  if (!found) {
    location.assign(url); // the session has ended: the server asks for the token
    return;
  }
  document.getElementById("drawer-name").textContent = found.dataset.name;
  drawer.lastElementChild.replaceChildren(document.importNode(found, true));
  drawer.scrollTop = 0;
  if (!drawer.open) drawer.showModal();
}

function restore() {
  const asked = new URL(location.href).searchParams;
  if (asked.get("event") && !location.pathname.startsWith("/event")) {
    const trace = asked.get("of") ?? asked.get("trace") ?? "";
    const url = `/event?${new URLSearchParams({ trace, event: asked.get("event") })}`;
    openEvent(url, document.querySelector(`a[data-event][href="${CSS.escape(url)}"]`));
  } else if (drawer.open) {
    drawer.close();
  }
}

function closed() {
  const address = new URL(location.href);
  if (address.searchParams.has("event")) {
    address.searchParams.delete("event");
    address.searchParams.delete("of");
    history.pushState(null, "", address);
  }
  if (opener?.isConnected) opener.focus();
  else document.getElementById("main").focus();
  opener = null;
}
