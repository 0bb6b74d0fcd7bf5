// The interactive drawing of a graph. Labels are drawn on a canvas, so nothing from the log becomes markup.
import cytoscape from "../vendor/cytoscape/cytoscape.esm.min.mjs";
import { openEvent } from "./drawer.js";
import { say } from "./fetched.js";
import { elementsOf, looks } from "./looks.js";
import { placesOf, SIZE } from "./stages.js";

const ACTS = new Set(["run", "plan", "call", "decision", "approval", "grant", "permit", "effect", "outcome"]);
const MANY = 600;
const READABLE = 0.5;
const MARGIN = 20;

for (const panel of document.querySelectorAll("[data-graph]")) draw(panel);

async function draw(panel) {
  const graph = await load(panel);
  if (!graph) return;
  const canvas = panel.querySelector(".canvas");
  canvas.hidden = false;
  panel.querySelector(".strip").hidden = false;
  const many = graph.nodes.length > MANY;
  if (many) panel.querySelector("[data-show]").value = "acts"; // content by the thousand would hide what was done
  const drawing = cytoscape({
    container: canvas,
    style: looks(),
    layout: { name: "null" },
    textureOnViewport: many,
    hideEdgesOnViewport: many,
    pixelRatio: many ? 1 : "auto",
    maxZoom: 3,
    minZoom: 0.02,
  });
  controls(panel, drawing, graph);
  arrange(panel, drawing, graph);
  document.addEventListener("theme", () => drawing.style(looks()));
  document.addEventListener("refreshed", () => redraw(panel, drawing, graph));
  panel.dataset.drawn = String(drawing.nodes().length);
}

async function load(panel) {
  const answer = await fetch(panel.dataset.graph, { headers: { accept: "application/json" } });
  if (answer.ok) return (await answer.json()).graph;
  panel.querySelector("[data-about]").textContent = `The drawing cannot be made: the server answered ${answer.status}.`;
  return null;
}

// The log has grown: what is new is drawn, and whoever looks keeps their place.
async function redraw(panel, drawing, graph) {
  const fresh = await load(panel);
  if (!fresh || JSON.stringify(fresh) === JSON.stringify(graph)) return;
  const place = { zoom: drawing.zoom(), pan: { ...drawing.pan() } };
  Object.assign(graph, fresh);
  arrange(panel, drawing, graph);
  drawing.viewport(place);
  panel.dataset.drawn = String(drawing.nodes().length);
}

// A small graph is shown whole; of a large one the beginning is shown at a size that can be read.
function view(canvas, places) {
  const wide = Math.max(0, ...[...places.values()].map((place) => place.x)) + SIZE.width;
  const high = Math.max(0, ...[...places.values()].map((place) => place.y)) + SIZE.height;
  const whole = Math.min((canvas.clientWidth - 2 * MARGIN) / wide, (canvas.clientHeight - 2 * MARGIN) / high, 1);
  const zoom = Math.max(whole, READABLE);
  const left = Math.max(MARGIN, (canvas.clientWidth - wide * zoom) / 2);
  return { zoom, pan: { x: left + (SIZE.width * zoom) / 2, y: MARGIN + (SIZE.height * zoom) / 2 } };
}

function controls(panel, drawing, graph) {
  for (const name of ["layout", "show"]) {
    panel.querySelector(`[data-${name}]`).addEventListener("change", () => arrange(panel, drawing, graph));
  }
  panel.querySelector("[data-fit]").addEventListener("click", () => drawing.fit(undefined, MARGIN));
  panel.querySelector("[data-find]").addEventListener("input", (event) => find(panel, drawing, graph, event.target.value));
  drawing.on("tap", "node", (event) => chosen(panel, drawing, event.target));
  drawing.on("tap", (event) => {
    if (event.target === drawing) drawing.elements().removeClass("faint near");
  });
}

function arrange(panel, drawing, graph) {
  const show = panel.querySelector("[data-show]").value;
  const nodes = graph.nodes.filter((node) => isShown(node, show));
  const ids = new Set(nodes.map((node) => node.id));
  const edges = graph.edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target));
  const places = placesOf(nodes);
  drawing.elements().remove();
  drawing.add(elementsOf({ nodes, edges }, places));
  if (panel.querySelector("[data-layout]").value === "tree") {
    drawing.layout({ name: "breadthfirst", directed: true, spacingFactor: 1.1, animate: false, fit: true }).run();
  } else {
    drawing.viewport(view(drawing.container(), places));
  }
  count(panel, drawing, graph);
}

function isShown(node, show) {
  if (show === "acts") return ACTS.has(node.kind);
  return show === "all" || node.integrity === "untrusted" || looks.isAlarming(node);
}

function count(panel, drawing, graph) {
  const [nodes, edges] = [drawing.nodes().length, drawing.edges().length];
  panel.querySelector("[data-about]").textContent =
    `${nodes} of ${graph.nodes.length} nodes, ${edges} of ${graph.edges.length} edges are drawn`;
}

function chosen(panel, drawing, node) {
  const near = node.union(node.predecessors()).union(node.successors());
  drawing.batch(() => {
    drawing.elements().removeClass("near").addClass("faint");
    near.removeClass("faint").addClass("near");
  });
  const { label, state, integrity, problems, events, trace } = node.data();
  const words = [label, integrity, state, ...problems].filter(Boolean).join(", ");
  const [before, after] = [node.predecessors("node").length, node.successors("node").length];
  panel.querySelector("[data-about]").textContent = `${words}: ${before} nodes before it, ${after} after it`;
  if (!events.length) return;
  openEvent(`/event?${new URLSearchParams({ trace, event: events[0] })}`, panel.querySelector("[data-fit]"));
}

function find(panel, drawing, graph, wanted) {
  const text = wanted.trim().toLowerCase();
  drawing.elements().removeClass("faint near");
  if (!text) return count(panel, drawing, graph);
  const found = drawing.nodes().filter((node) => node.data("label").toLowerCase().includes(text));
  drawing.batch(() => {
    drawing.elements().addClass("faint");
    found.removeClass("faint").addClass("near");
  });
  if (found.length) drawing.center(found[0]);
  const told = `${found.length} ${found.length === 1 ? "node holds" : "nodes hold"} “${wanted.trim()}”`;
  say(told);
  panel.querySelector("[data-about]").textContent = told;
}
