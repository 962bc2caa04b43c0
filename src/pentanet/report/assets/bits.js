// What a method costs against what it reaches: mean and seeds, and a line through the sizes of one method.
const COSTS = {
  bytes: { what: "size of the file, bytes (log)", ticks: [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8], tick: (v) => short(v) + "B" },
  coded: { what: "size of the file with entropy-coded levels, bytes (log)", ticks: [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8], tick: (v) => short(v) + "B" },
  file: { what: "bits per weight, whole file (log)", ticks: [1, 1.5, 2, 3, 4, 6, 8], tick: short },
  grid: { what: "bits per weight, quantized weights (log)", ticks: [1, 1.5, 2, 3, 4, 6, 8], tick: short },
};

function bits(data) {
  const host = document.getElementById("scatter");
  const kind = picker("cost", document.getElementById("bits"), draw);
  function draw() {
    const key = kind.value, cost = COSTS[key];
    const arms = data.methods.filter((m) => m[key] > 0 && typeof m.loss === "number");
    if (!arms.length) return host.replaceChildren(html("p", { class: "empty" }, "No method has been packed."));
    const width = host.clientWidth || 900, wide = width > 640, height = wide ? 380 : 300;
    const box = { left: 56, right: width - 24, top: 24, bottom: height - 40 };
    const costs = arms.map((m) => m[key]), losses = arms.flatMap((m) => [m.loss, ...m.losses]);
    const low = Math.min(...losses), high = Math.max(...losses), pad = 0.08 * (high - low) || 0.1;
    const ends = [Math.min(...costs) / 1.12, Math.max(...costs) * 1.12];
    const x = axis(...ends, box.left, box.right, true), y = axis(low - pad, high + pad, box.bottom, box.top, false);
    const parts = [], yt = y.ticks(5);
    for (const v of yt.at) {
      parts.push(line(box.left, y(v), box.right, y(v), { class: "grid" }));
      parts.push(text(box.left - 8, y(v) + 4, tickText(v, yt.step), { "text-anchor": "end" }));
    }
    let free = box.left - 99;
    for (let e = Math.floor(Math.log10(ends[0])); e <= Math.log10(ends[1]); e++)
      for (const m of cost.ticks) {
        const v = m * 10 ** e;
        if (v < ends[0] || v > ends[1] || x(v) < free) continue;
        parts.push(text(x(v), box.bottom + 19, cost.tick(v), { "text-anchor": "middle" }));
        free = x(v) + 60;
      }
    parts.push(text((box.left + box.right) / 2, height - 4, cost.what, { "text-anchor": "middle" }));
    parts.push(text(0, 10, "validation loss, nats", {}));
    const lines = [...new Set(arms.map((m) => m.series))].map((s) => arms.filter((m) => m.series === s).sort((a, b) => a[key] - b[key]));
    for (const line of lines)
      if (line.length > 1) {
        const d = "M" + line.map((m) => `${x(m[key]).toFixed(1)},${y(m.loss).toFixed(1)}`).join("L");
        parts.push(svg("path", { d, c: line[0].colour, class: "curve", "stroke-dasharray": line[0].dash || null }));
      }
    // One label per line, at its largest size; to the right of the point, to the left in the right third.
    const named = lines.map((line) => line[line.length - 1]);
    const side = (m) => (x(m[key]) > box.left + 0.66 * (box.right - box.left) ? "end" : "start");
    const places = new Map();
    for (const s of ["start", "end"]) {
      const group = named.filter((m) => side(m) === s);
      spread(group.map((m) => y(m.loss)), 16, box.top, box.bottom).forEach((place, i) => places.set(group[i], place));
    }
    for (const m of arms) {
      const own = { c: m.colour }, px = x(m[key]);
      if (m.losses.length > 1) parts.push(line(px, y(Math.min(...m.losses)), px, y(Math.max(...m.losses)), { ...own, class: "whisker" }));
      for (const loss of m.losses) parts.push(svg("circle", { cx: px.toFixed(1), cy: y(loss).toFixed(1), r: 2, ...own, class: "seed" }));
      parts.push(marker(m.marker, px, y(m.loss), 5, { ...own, class: "fill" }));
    }
    for (const m of named)
      parts.push(text(x(m[key]) + (side(m) === "end" ? -12 : 12), places.get(m) + 4, m.series, { c: m.colour, class: "own", "text-anchor": side(m) }));
    host.replaceChildren(canvas(width, height, `validation loss against ${cost.what}`, parts));
  }
  return draw;
}
