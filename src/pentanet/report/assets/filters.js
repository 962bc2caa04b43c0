// The methods and seeds that the reader chose, for every figure over the runs.
function filters(root, data, changed) {
  const hidden = { method: new Set(), seed: new Set() };
  const reset = root.querySelector(".reset");
  const chips = [...root.querySelectorAll(".chip:not(.reset)")];
  const tell = () => {
    reset.hidden = !hidden.method.size && !hidden.seed.size;
    changed();
  };
  for (const chip of chips)
    chip.addEventListener("click", () => {
      const what = chip.dataset.method === undefined ? "seed" : "method", name = chip.dataset[what];
      if (!hidden[what].delete(name)) hidden[what].add(name);
      chip.setAttribute("aria-pressed", String(!hidden[what].has(name)));
      tell();
    });
  reset.addEventListener("click", () => {
    hidden.method.clear();
    hidden.seed.clear();
    for (const chip of chips) chip.setAttribute("aria-pressed", "true");
    tell();
  });

  // Only places that every chosen seed reached: a mean over fewer would make a step that no run took.
  function summarize(method, key) {
    const runs = data.runs.filter((r) => r.method === method.name && !hidden.seed.has(r.seed) && r[key].x.length);
    if (hidden.method.has(method.name) || !runs.length) return null;
    const columns = runs.map((r) => new Map(r[key].x.map((x, i) => [x, r[key].y[i]])));
    const x = runs[0][key].x.filter((v) => columns.every((c) => c.has(v)));
    const at = x.map((v) => columns.map((c) => c.get(v)));
    return {
      method, x, seeds: runs.length,
      low: at.map((v) => Math.min(...v)),
      high: at.map((v) => Math.max(...v)),
      mean: at.map((v) => v.reduce((a, b) => a + b, 0) / v.length),
    };
  }
  return { series: (key) => data.methods.map((m) => summarize(m, key)).filter(Boolean) };
}
