// Elements. Text only ever goes in as text: nothing from the records is parsed as HTML.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "c") node.style.setProperty("--c", `var(--m${value})`);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null) node.append(child);
  return node;
}
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const text = (x, y, words, attributes = {}) => svg("text", { x: x.toFixed(1), y: y.toFixed(1), ...attributes }, words);
const line = (x1, y1, x2, y2, attributes) =>
  svg("line", { x1: x1.toFixed(1), y1: y1.toFixed(1), x2: x2.toFixed(1), y2: y2.toFixed(1), ...attributes });
const canvas = (width, height, label, ...children) =>
  svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...children);
const swatch = (colour) => html("i", { class: "swatch", c: colour });

function marker(shape, x, y, r, attributes) {
  const p = (...points) => "M" + points.map(([a, b]) => `${(x + a * r).toFixed(1)},${(y + b * r).toFixed(1)}`).join("L") + "Z";
  const k = 0.35;
  const paths = {
    square: p([-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]),
    diamond: p([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]),
    triangle: p([0, -1.2], [1.15, 0.85], [-1.15, 0.85]),
    down: p([0, 1.2], [1.15, -0.85], [-1.15, -0.85]),
    cross: p([-k, -1.1], [k, -1.1], [k, -k], [1.1, -k], [1.1, k], [k, k], [k, 1.1], [-k, 1.1], [-k, k], [-1.1, k], [-1.1, -k], [-k, -k]),
  };
  return paths[shape]
    ? svg("path", { d: paths[shape], ...attributes })
    : svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r, ...attributes });
}

// The pressed button of a group of which one is chosen; calls back when another one is.
function picker(name, root, changed) {
  const group = [...root.querySelectorAll("[data-pick]")].find((g) => g.dataset.pick === name);
  if (!group) return { value: "" };
  const buttons = [...group.querySelectorAll("button")];
  const state = { value: buttons[0].dataset.value };
  for (const button of buttons)
    button.addEventListener("click", () => {
      state.value = button.dataset.value;
      for (const b of buttons) b.setAttribute("aria-pressed", String(b === button));
      changed();
    });
  return state;
}
