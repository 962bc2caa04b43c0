// What a method costs against what it reaches.
const POWERS = [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32];

function bits(data) {
  const host = document.getElementById("scatter");
  const kind = picker("bits of", document.getElementById("bits"), draw);
  function draw() {
    const key = kind.value === "grid" ? "gridBits" : "fileBits";
    const arms = data.methods.filter((m) => m[key] > 0 && typeof m.loss === "number");
    if (!arms.length) return host.replaceChildren(html("p", { class: "empty" }, "No method has been packed."));
    const width = host.clientWidth || 900, wide = width > 640, height = wide ? 340 : 280;
    const box = { left: 56, right: width - 24, top: 24, bottom: height - 40 };
    const costs = arms.map((m) => m[key]);
    const low = Math.min(...arms.map((m) => m.loss - (m.sd || 0))), high = Math.max(...arms.map((m) => m.loss + (m.sd || 0)));
    const pad = 0.1 * (high - low) || 0.1;
    const ends = [Math.min(...costs) / 1.12, Math.max(...costs) * 1.12];
    const x = axis(...ends, box.left, box.right, true);
    const y = axis(low - pad, high + pad, box.bottom, box.top, false);
    const parts = [], yt = y.ticks(5);
    for (const v of yt.at) {
      parts.push(line(box.left, y(v), box.right, y(v), { class: "grid" }));
      parts.push(text(box.left - 8, y(v) + 4, tickText(v, yt.step), { "text-anchor": "end" }));
    }
    for (const v of POWERS) if (v >= ends[0] && v <= ends[1]) parts.push(text(x(v), box.bottom + 19, short(v), { "text-anchor": "middle" }));
    parts.push(text((box.left + box.right) / 2, height - 4, `bits per weight, ${kind.value === "grid" ? "quantized weights" : "whole file"} (log)`, { "text-anchor": "middle" }));
    parts.push(text(0, 10, "validation loss, nats", {}));
    // Labels to the right of their points, to the left in the right third; those on one side keep out of each other's way.
    const side = (m) => (x(m[key]) > box.left + 0.66 * (box.right - box.left) ? "end" : "start");
    const places = new Map();
    for (const s of ["start", "end"]) {
      const group = arms.filter((m) => side(m) === s);
      spread(group.map((m) => y(m.loss)), 16, box.top, box.bottom).forEach((place, i) => places.set(group[i], place));
    }
    for (const m of arms) {
      const own = { c: m.colour }, px = x(m[key]), py = y(m.loss);
      if (m.sd) parts.push(line(px, y(m.loss - m.sd), px, y(m.loss + m.sd), { ...own, class: "stroke" }));
      parts.push(marker(m.marker, px, py, 5.5, { ...own, class: "fill" }));
      parts.push(text(px + (side(m) === "end" ? -12 : 12), places.get(m) + 4, m.name, { ...own, class: "own", "text-anchor": side(m) }));
    }
    host.replaceChildren(canvas(width, height, "validation loss against bits per weight", parts));
  }
  return draw;
}
