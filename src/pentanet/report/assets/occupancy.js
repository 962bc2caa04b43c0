// A bar per level and method, and a line where normally distributed weights would put it.
function occupancy(data) {
  const host = document.getElementById("levels");
  if (!host) return () => {};
  return () => {
    const room = host.clientWidth || 900, narrow = room < 600;  // hidden, it has no width
    const width = narrow ? Math.max(60, (room - 20) / 2) : 240, height = 150, bottom = height - 22, top = 20;
    const arms = data.methods.filter((m) => m.levels.length);
    const most = Math.max(...arms.flatMap((m) => [...m.measured, ...m.expected]));
    const cells = arms.map((m) => {
      const slot = width / m.levels.length, bar = Math.min(46, slot * 0.68), y = (v) => bottom - ((bottom - top) * v) / most;
      const dense = m.levels.length > 9;
      const parts = m.levels.flatMap((level, i) => {
        const middle = slot * (i + 0.5), value = m.measured[i], e = m.expected[i];
        const peak = y(e === undefined ? value : Math.max(value, e));
        return [
          svg("rect", { x: (middle - bar / 2).toFixed(1), y: y(value).toFixed(1), width: bar.toFixed(1), height: (bottom - y(value)).toFixed(1), class: "bar", c: m.colour }),
          e === undefined ? null : line(middle - bar / 2 - 4, y(e), middle + bar / 2 + 4, y(e), { class: "expected" }),
          dense ? null : text(middle, peak - 5, fixed(100 * value, 1), { "text-anchor": "middle" }),
          dense && i % 4 ? null : text(middle, height - 6, String(level).replace("-", "\u2212"), { "text-anchor": "middle" }),
        ].filter(Boolean);
      });
      const says = m.levels.map((level, i) => `${level}: ${percent(m.measured[i])}`).join(", ");
      const shape = [
        typeof m.kurtosis === "number" ? `excess kurtosis ${signed(m.kurtosis, 2)}` : "",
        typeof m.moved === "number" ? `${percent(m.moved, 0)} moved since the start` : "",
      ].filter(Boolean).join(", ");
      return html("div", {}, html("h3", {}, swatch(m.colour), m.name), canvas(width, height, `${m.name}, ${says}`, parts, line(0, bottom, width, bottom, { class: "grid" })), html("p", {}, shape));
    });
    host.replaceChildren(...cells);
  };
}
