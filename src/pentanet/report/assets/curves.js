// Loss and flip rate over tokens, with the methods and seeds that the reader chose.
function curves(data) {
  const root = document.getElementById("curves");
  if (!root) return () => {};
  const hidden = { method: new Set(), seed: new Set() };
  const reset = root.querySelector(".reset");
  const pick = (name) => picker(name, root, draw);
  const kind = pick("curve"), show = pick("show"), tokens = pick("token axis"), height = pick("loss axis");

  const chips = [...root.querySelectorAll(".chip:not(.reset)")];
  for (const chip of chips)
    chip.addEventListener("click", () => {
      const what = chip.dataset.method === undefined ? "seed" : "method", name = chip.dataset[what];
      if (!hidden[what].delete(name)) hidden[what].add(name);
      chip.setAttribute("aria-pressed", String(!hidden[what].has(name)));
      draw();
    });
  reset.addEventListener("click", () => {
    hidden.method.clear();
    hidden.seed.clear();
    for (const chip of chips) chip.setAttribute("aria-pressed", "true");
    draw();
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

  function draw() {
    reset.hidden = !hidden.method.size && !hidden.seed.size;
    const series = (key) => data.methods.map((m) => summarize(m, key)).filter(Boolean);
    const end = (list) => Math.max(0, ...list.flatMap((s) => s.x));
    const share = { late: 0.05, all: 0, half: 0.5 }[show.value];
    const loss = series(kind.value);
    lineplot(document.getElementById("loss"), loss, {
      label: `${kind.value === "valid" ? "validation" : "training"} loss, nats`, unit: data.unit, from: share * end(loss),
      xlog: tokens.value === "log", ylog: height.value === "log",
      value: (v) => fixed(v, 3), tick: (v, step) => (step ? tickText(v, step) : short(v)),
    });
    const host = document.getElementById("flips");
    if (!host) return;
    const flips = series("flips");
    lineplot(host, flips, {
      label: "weights that change level in a step", unit: data.unit, from: share * end(flips), zero: true,
      xlog: tokens.value === "log", ylog: height.value === "log",
      value: (v) => percent(v, 3), tick: (v, step) => (step ? tickText(100 * v, 100 * step) : short(100 * v)) + "\u2009%",
    });
  }
  return draw;
}
