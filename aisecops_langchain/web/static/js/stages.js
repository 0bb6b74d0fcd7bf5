// Places nodes in columns by kind, time from top to bottom: the same arrangement as the drawing that the command line
// makes, and linear in the number of nodes.

const COLUMNS = [
  "run", "source", "content", "plan", "argument", "call", "decision", "approval", "grant", "permit", "effect", "output", "outcome",
];
const WIDTH = 230;
const HEIGHT = 62;

export function byStage(nodes) {
  const kinds = COLUMNS.filter((kind) => nodes.some((node) => node.data("kind") === kind));
  let row = 0;
  let last = -1;
  nodes.sort((one, other) => one.data("place") - other.data("place")).forEach((node) => {
    const column = kinds.indexOf(node.data("kind"));
    if (column <= last) row += 1;
    last = column;
    node.position({ x: column * WIDTH, y: row * HEIGHT });
  });
}
