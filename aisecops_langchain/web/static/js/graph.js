// The interactive drawing of a graph. Labels are drawn on a canvas, so nothing from the log becomes markup.
import cytoscape from "../vendor/cytoscape/cytoscape.esm.min.mjs";
import { openEvent } from "./drawer.js";
import { say } from "./fetched.js";
import { byStage } from "./stages.js";
import { isAlarming, looks } from "./looks.js";

const ACTS = new Set(["run", "plan", "call", "decision", "approval", "grant", "permit", "effect", "outcome"]);
const MANY = 600;

for (const panel of document.querySelectorAll("[data-graph]")) draw(panel);

async function draw(panel) {
  const answer = await fetch(panel.dataset.graph, { headers: { accept: "application/json" } });
  if (!answer.ok) {
    panel.querySelector("[data-about]").textContent = `The drawing cannot be made: the server answered ${answer.status}.`;
    return;
  }
  const { graph } = await answer.json();
  const canvas = panel.querySelector(".canvas");
  canvas.hidden = false;
  panel.querySelector(".strip").hidden = false;
  const drawing = cytoscape({
    container: canvas,
    elements: elementsOf(graph),
    style: looks(),
    layout: { name: "null" },
    textureOnViewport: graph.nodes.length > MANY,
    hideEdgesOnViewport: graph.nodes.length > MANY,
    pixelRatio: graph.nodes.length > MANY ? 1 : "auto",
    wheelSensitivity: 0.3,
    maxZoom: 3,
    minZoom: 0.02,
  });
  controls(panel, drawing);
  arrange(panel, drawing);
  document.addEventListener("theme", () => drawing.style(looks()));
  panel.dataset.drawn = String(drawing.nodes().length);
}

function elementsOf(graph) {
  const nodes = graph.nodes.map((node, place) => ({ group: "nodes", data: { ...node, place, text: shortened(node.label), alarm: isAlarming(node) } }));
  const edges = graph.edges.map((edge, place) => ({ group: "edges", data: { ...edge, id: `e${place}` } }));
  return [...nodes, ...edges];
}

function shortened(label) {
  return label.length > 34 ? `${label.slice(0, 33)}…` : label;
}

function controls(panel, drawing) {
  panel.querySelector("[data-layout]").addEventListener("change", () => arrange(panel, drawing));
  panel.querySelector("[data-show]").addEventListener("change", () => arrange(panel, drawing));
  panel.querySelector("[data-fit]").addEventListener("click", () => drawing.fit(undefined, 20));
  panel.querySelector("[data-find]").addEventListener("input", (event) => find(panel, drawing, event.target.value));
  drawing.on("tap", "node", (event) => chosen(panel, drawing, event.target));
  drawing.on("tap", (event) => {
    if (event.target === drawing) drawing.elements().removeClass("faint near");
  });
}

function arrange(panel, drawing) {
  const show = panel.querySelector("[data-show]").value;
  const layout = panel.querySelector("[data-layout]").value;
  drawing.batch(() => {
    drawing.nodes().forEach((node) => node.toggleClass("gone", !isShown(node.data(), show)));
  });
  const shown = drawing.elements(":visible");
  if (layout === "tree") shown.layout({ name: "breadthfirst", directed: true, spacingFactor: 1.1, animate: false, fit: false }).run();
  else drawing.batch(() => byStage(shown.nodes()));
  start(drawing, shown);
  panel.querySelector("[data-about]").textContent =
    `${shown.nodes().length} of ${drawing.nodes().length} nodes, ${shown.edges().length} of ${drawing.edges().length} edges are drawn`;
}

// A small graph is shown whole; of a large one the beginning is shown at a size that can be read.
function start(drawing, shown) {
  drawing.fit(shown, 20);
  if (drawing.zoom() >= 0.45) return;
  const box = shown.boundingBox();
  drawing.zoom(0.6);
  drawing.pan({ x: 20 - box.x1 * 0.6, y: 20 - box.y1 * 0.6 });
}

function isShown(node, show) {
  if (show === "acts") return ACTS.has(node.kind);
  if (show === "doubt") return node.integrity === "untrusted" || node.alarm;
  return true;
}

function chosen(panel, drawing, node) {
  const near = node.union(node.predecessors()).union(node.successors());
  drawing.batch(() => {
    drawing.elements().removeClass("near").addClass("faint");
    near.removeClass("faint").addClass("near");
  });
  const { label, state, integrity, problems, events, trace } = node.data();
  const words = [label, integrity, state, ...problems].filter(Boolean).join(", ");
  panel.querySelector("[data-about]").textContent = `${words}: ${node.predecessors("node").length} nodes before it, ${node.successors("node").length} after it`;
  if (events.length) openEvent(`${panel.dataset.eventUrl}?${new URLSearchParams({ trace, event: events[0] })}`, panel.querySelector("[data-fit]"));
}

function find(panel, drawing, wanted) {
  const text = wanted.trim().toLowerCase();
  drawing.elements().removeClass("faint near");
  if (!text) return;
  const found = drawing.nodes(":visible").filter((node) => node.data("label").toLowerCase().includes(text));
  drawing.batch(() => {
    drawing.elements().addClass("faint");
    found.removeClass("faint").addClass("near");
  });
  if (found.length) drawing.animate({ center: { eles: found[0] }, zoom: Math.max(drawing.zoom(), 0.8), duration: 0 });
  say(`${found.length} nodes found`);
  panel.querySelector("[data-about]").textContent = `${found.length} nodes hold “${wanted.trim()}”`;
}
