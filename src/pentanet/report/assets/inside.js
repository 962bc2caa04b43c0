// What was measured in the blocks: over time, by block, and both at once for one method.
function inside(data, chosen) {
  const root = document.getElementById("inside");
  if (!root) return () => {};
  const kind = picker("measure", root, draw), method = document.getElementById("heat-method");
  method.addEventListener("change", draw);

  function draw() {
    const measure = data.measures.find((m) => m.key === kind.value);
    const value = (v) => (measure.share ? percent(v, 2) : fixed(v, 3));
    const tick = (v, step) => (measure.share ? tickText(100 * v, 100 * step) + "\u2009%" : tickText(v, step));
    document.getElementById("measure-note").textContent = measure.note;
    lineplot(document.getElementById("over-time"), chosen().series(`time ${measure.key}`), {
      label: measure.name, unit: data.unit, from: 0, value, tick,
    });
    lineplot(document.getElementById("by-block"), chosen().series(`end ${measure.key}`), {
      label: `${measure.name} at the end of training`, unit: "block", from: 0, value, tick, points: true, whole: true,
    });
    heat(document.getElementById("heat"), measure.heat[method.value], measure, value, data.unit);
  }
  return draw;
}

// A row per block, a column per validation; the darker, the larger.
function heat(host, found, measure, value, unit) {
  const all = found ? found.values.flat().filter((v) => v !== null) : [];
  if (!all.length) return host.replaceChildren(html("p", { class: "empty" }, "Not measured for this method."));
  const low = Math.min(...all), high = Math.max(...all), width = host.clientWidth || 900;
  const left = 14 + 7.5 * Math.max(5, ...found.names.map((n) => n.length)), top = 24;
  const row = Math.max(9, Math.min(22, 300 / found.names.length));
  const column = Math.max(width - left, 60) / found.x.length, gap = Math.min(1, column / 4);  // many are thin
  const parts = found.values.flatMap((values, i) => values.map((v, k) => {
    if (v === null) return null;
    const share = high > low ? (v - low) / (high - low) : 0.5;
    const box = { x: (left + k * column).toFixed(1), y: (top + i * row).toFixed(1), width: (column - gap).toFixed(2), height: (row - 1).toFixed(1) };
    const says = `${found.names[i]}, ${short(found.x[k])} ${unit}: ${value(v)}`;
    return svg("rect", { ...box, class: "cell", "fill-opacity": (0.06 + 0.94 * share).toFixed(3) }, svg("title", {}, says));
  }).filter(Boolean));
  const every = Math.ceil(13 / row), bottom = top + found.names.length * row;
  const labels = found.names.flatMap((name, i) =>
    i % every ? [] : [text(left - 8, top + (i + 0.5) * row + 4, /^\d+$/.test(name) ? `block ${name}`.slice(row < 13 ? 6 : 0) : name, { "text-anchor": "end" })]);
  const marks = Math.max(1, Math.ceil(64 / column));
  const times = found.x.flatMap((v, k) => (k % marks ? [] : [text(left + (k + 0.5) * column, bottom + 16, short(v), { "text-anchor": "middle" })]));
  const scale = text(left, 12, `light ${value(low)}, dark ${value(high)}`, {});
  host.replaceChildren(canvas(width, bottom + 24, `${measure.name} by block and over ${unit}`, parts, labels, times, scale));
}
