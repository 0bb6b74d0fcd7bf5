// How nodes and edges look, from the colours of the page. Colour never says anything that the label does not say, too.
import { SIZE } from "./stages.js";

const ALARMING = new Set(["unknown", "blocked", "failed", "deny", "withheld", "rejected", "expired", "unfinished"]);
const FAINT = ["read", "in_context", "ended", "began", "during"];
const LETTERS = 27;

export function elementsOf(graph, places) {
  const nodes = graph.nodes.map((node) => ({
    group: "nodes",
    data: { ...node, caption: caption(node), alarm: looks.isAlarming(node) },
    position: places.get(node.id),
  }));
  const edges = graph.edges.map((edge, number) => ({ group: "edges", data: { ...edge, id: `edge ${number}` } }));
  return [...nodes, ...edges];
}

export function looks() {
  const coloured = (name, more = {}) => ({ "line-color": colourOf(name), "target-arrow-color": colourOf(name), ...more });
  const bordered = (name) => ({ "border-color": colourOf(name), "border-width": 2, "background-color": colourOf(`${name}-soft`) });
  return [
    {
      selector: "node",
      style: {
        ...{ "shape": "round-rectangle", "width": SIZE.width, "height": SIZE.height, "background-color": colourOf("sunken") },
        ...{ "border-width": 1, "border-color": colourOf("line-strong"), "label": "data(caption)", "color": colourOf("text") },
        ...{ "font-size": 12, "font-family": "sans-serif", "text-valign": "center", "text-wrap": "wrap" },
        ...{ "text-max-width": SIZE.width - 6, "line-height": 1.25, "min-zoomed-font-size": 5 },
      },
    },
    { selector: "node[kind = 'call'], node[kind = 'effect']", style: { "background-color": colourOf("surface") } },
    { selector: "node[kind = 'run'], node[kind = 'outcome']", style: { "background-color": colourOf("accent-soft") } },
    { selector: "node[integrity = 'untrusted']", style: bordered("warn") },
    { selector: "node[?alarm]", style: bordered("bad") },
    {
      selector: "edge",
      style: {
        ...coloured("line-strong", { "width": 1.2, "curve-style": "straight" }),
        ...{ "target-arrow-shape": "triangle", "arrow-scale": 0.7 },
      },
    },
    ...FAINT.map((kind) => ({ selector: `edge[kind = '${kind}']`, style: coloured("line") })),
    { selector: "edge[kind = 'found'], edge[kind = 'wrote']", style: coloured("warn", { "width": 2 }) },
    { selector: "edge[kind = 'tried']", style: coloured("bad", { "width": 2 }) },
    { selector: ".faint", style: { "opacity": 0.18 } },
    { selector: "node.near", style: { "border-width": 3 } },
    { selector: "edge.near", style: { "width": 2.4 } },
  ];
}

// What a colour comes to, light or dark, only an element that has it can tell.
function colourOf(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

looks.isAlarming = (node) => node.problems.length > 0 || ALARMING.has(node.state);

function caption({ label, kind, state, integrity, problems }) {
  const short = label.length > LETTERS ? `${label.slice(0, LETTERS - 1)}…` : label;
  const beside = problems.length ? problems.join(", ") : [kind, integrity || state].filter(Boolean).join(", ");
  return `${short}\n${beside}`;
}
