// Places nodes in lanes from what was read to what came of it, time from top to bottom: as the command line's drawing
// does, with kinds that belong together in one lane, and linear in the number of nodes.

const LANES = [
  ["run", "source"],
  ["content"],
  ["plan", "argument"],
  ["call"],
  ["decision", "approval", "grant"],
  ["permit", "effect"],
  ["output", "outcome"],
];
const LANE_OF = new Map(LANES.flatMap((kinds, lane) => kinds.map((kind) => [kind, lane])));

export const SIZE = { width: 184, height: 44 };
const STEP = { x: 228, y: 64 };

export function placesOf(nodes) {
  const used = [...new Set(nodes.map((node) => LANE_OF.get(node.kind)))].sort((one, other) => one - other);
  const places = new Map();
  let row = 0;
  let last = -1;
  for (const node of nodes) {
    const lane = used.indexOf(LANE_OF.get(node.kind));
    if (lane <= last) row += 1;
    last = lane;
    places.set(node.id, { x: lane * STEP.x, y: row * STEP.y });
  }
  return places;
}
