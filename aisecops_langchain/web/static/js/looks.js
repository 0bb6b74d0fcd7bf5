// How nodes and edges look, from the colours of the page. Colour never says anything that the label does not say, too.

const ALARMING = new Set(["unknown", "blocked", "failed", "deny", "withheld", "rejected", "expired", "unfinished"]);
const FAINT = ["read", "in_context", "ended", "began", "during"];

export function looks() {
  const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const line = of("line-strong");
  return [
    {
      selector: "node",
      style: {
        "shape": "round-rectangle", "width": 190, "height": 40, "background-color": of("sunken"), "border-width": 1,
        "border-color": line, "label": caption, "color": of("text"), "font-size": 11, "font-family": "sans-serif",
        "text-valign": "center", "text-wrap": "wrap", "text-max-width": 182, "line-height": 1.25, "min-zoomed-font-size": 6,
      },
    },
    { selector: "node[kind = 'call'], node[kind = 'decision'], node[kind = 'effect']", style: { "background-color": of("surface") } },
    { selector: "node[kind = 'run'], node[kind = 'outcome']", style: { "background-color": of("accent-soft") } },
    { selector: "node[integrity = 'untrusted']", style: { "border-color": of("warn"), "border-width": 2, "background-color": of("warn-soft") } },
    { selector: "node[?alarm]", style: { "border-color": of("bad"), "border-width": 2, "background-color": of("bad-soft") } },
    {
      selector: "edge",
      style: {
        "width": 1.2, "line-color": line, "target-arrow-color": line, "target-arrow-shape": "triangle", "arrow-scale": 0.7,
        "curve-style": "straight",
      },
    },
    ...FAINT.map((kind) => ({ selector: `edge[kind = '${kind}']`, style: { "line-color": of("line"), "target-arrow-color": of("line") } })),
    { selector: "edge[kind = 'found'], edge[kind = 'wrote']", style: { "line-color": of("warn"), "target-arrow-color": of("warn"), "width": 2 } },
    { selector: "edge[kind = 'tried']", style: { "line-color": of("bad"), "target-arrow-color": of("bad"), "width": 2 } },
    { selector: ".faint", style: { "opacity": 0.18 } },
    { selector: "node.near", style: { "border-width": 3 } },
    { selector: "edge.near", style: { "width": 2.4 } },
    { selector: ".gone", style: { "display": "none" } },
  ];
}

function caption(node) {
  const { text, kind, state, integrity, problems } = node.data();
  const beside = problems.length ? problems.join(", ") : [kind, integrity || state].filter(Boolean).join(", ");
  return `${text}\n${beside}`;
}

export function isAlarming(node) {
  return node.problems.length > 0 || ALARMING.has(node.state);
}
