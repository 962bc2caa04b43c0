// Loss over depth, a line per method and recipe.
function depth(data) {
  const host = document.getElementById("depth-plot");
  if (!host) return () => {};
  return () =>
    lineplot(host, data.depth.lines, {
      label: "validation loss, nats", unit: "layers", from: 0, points: true, xlog: true, at: data.depth.depths,
      value: (v) => fixed(v, 3), tick: (v, step) => tickText(v, step),
    });
}
