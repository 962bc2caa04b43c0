// Paired differences with their intervals, one group of rows per control or pair, on one common axis.
function forest(data) {
  const host = document.getElementById("forest");
  if (!host) return () => {};
  return () => {
    const width = host.clientWidth || 900, wide = width > 700;
    const ends = data.forest.flatMap((g) => g.rows).flatMap((d) => [d.low ?? d.d, d.high ?? d.d, 0]);
    const low = Math.min(...ends), high = Math.max(...ends), pad = 0.06 * (high - low) || 0.1;
    const names = data.forest.flatMap((g) => g.rows.map((d) => d.name.length));
    const left = wide ? 14 + 7.4 * Math.max(12, ...names) : 10, right = wide ? width - 320 : width - 10, row = wide ? 30 : 48;
    const x = axis(low - pad, high + pad, left, right, false);
    const parts = [];
    let y = 6;
    for (const { title, rows } of data.forest) {
      if (!rows.length) continue;
      parts.push(text(0, (y += 20), title, { class: "strong" }));
      y += 8;
      for (const d of rows) {
        const own = { c: d.colour }, middle = y + (wide ? row / 2 : row - 12);
        const interval = d.low === null ? "" : ` [${signed(d.low, 3)}, ${signed(d.high, 3)}]`;
        const numbers = `${signed(d.d, 3)}${interval}`;
        const name = text(wide ? 0 : 10, wide ? middle + 4 : y + 16, d.name, {});
        const verdict = svg("tspan", /^(better|worse)/.test(d.verdict) ? { class: "strong" } : {}, d.verdict);
        if (wide) {
          parts.push(name, text(right + 16, middle + 4, numbers, {}), svg("text", { x: width, y: middle + 4, "text-anchor": "end" }, verdict));
        } else {
          parts.push(name, svg("text", { x: width - 10, y: y + 16, "text-anchor": "end" }, numbers + (d.verdict.endsWith("*") ? "*" : "")));
        }
        if (d.low !== null) parts.push(line(x(d.low), middle, x(d.high), middle, { ...own, class: "stroke" }));
        parts.push(marker(d.marker, x(d.d), middle, 5, { ...own, class: "fill" }));
        y += row;
      }
    }
    const top = 10, bottom = y + 4;
    const marks = x.ticks(wide ? 7 : 4);
    const grid = marks.at.map((v) => line(x(v), top, x(v), bottom, { class: Math.abs(v) < marks.step / 1e6 ? "zero" : "grid" }));
    for (const v of marks.at) parts.push(text(x(v), bottom + 17, signed(v, decimals(marks.step)), { "text-anchor": "middle" }));
    parts.push(text(Math.max(left, x(0) - 8), bottom + 36, "\u2190 lower loss", { "text-anchor": x(0) - 8 < left + 80 ? "start" : "end" }));
    parts.push(text(Math.min(right, x(0) + 8), bottom + 36, "higher loss (nats) \u2192", { "text-anchor": x(0) + 8 > right - 120 ? "end" : "start" }));
    host.replaceChildren(canvas(width, bottom + 42, "differences in validation loss with intervals", grid, parts));
  };
}
