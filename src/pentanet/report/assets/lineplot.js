// A line chart over tokens: mean lines, seed bands, labels at the ends, and a cursor that reads all lines at once.
// series: [{method, x, low, mean, high}]; options: {label, unit, from, xlog, ylog, value(v), tick(v, step), zero,
// points: mark every point, at: places of the marks on the horizontal axis, whole: only at whole numbers}
function lineplot(host, series, options) {
  const width = host.clientWidth || 900, wide = width > 640;
  series = series
    .map((s) => {
      const from = s.x.findIndex((x) => x >= options.from && (!options.xlog || x > 0));
      const cut = (values) => (from < 0 ? [] : values.slice(from));
      return { ...s, x: cut(s.x), low: cut(s.low), mean: cut(s.mean), high: cut(s.high) };
    })
    .filter((s) => s.x.length);
  if (!series.length) return host.replaceChildren(html("p", { class: "empty" }, "Nothing chosen, or nothing logged."));

  const height = wide ? Math.max(400, 70 + 17 * series.length) : 300;  // room for a label each
  const all = (key) => series.flatMap((s) => s[key]);
  const lowest = Math.min(...all("low")), highest = Math.max(...all("high"));
  const pad = options.ylog ? 0 : 0.05 * (highest - lowest);
  const right = wide ? 20 + 8.2 * Math.max(...series.map((s) => s.method.name.length)) : 14;
  const box = { left: 56, right: width - right, top: 22, bottom: height - 40 };
  const x = axis(Math.min(...all("x")), Math.max(...all("x")), box.left, box.right, options.xlog);
  const y = axis(options.zero && !options.ylog ? 0 : lowest - pad, highest + pad, box.bottom, box.top, options.ylog);

  const parts = [];
  const yt = y.ticks(wide ? 7 : 5), xt = options.at ? { at: options.at } : x.ticks(wide ? 8 : 4);
  if (options.whole) xt.at = xt.at.filter((v) => Math.abs(v - Math.round(v)) < 1e-9);
  for (const v of yt.at) {
    parts.push(line(box.left, y(v), box.right, y(v), { class: "grid" }));
    parts.push(text(box.left - 8, y(v) + 4, options.tick(v, yt.step), { "text-anchor": "end" }));
  }
  for (const v of xt.at) parts.push(text(x(v), box.bottom + 19, short(v), { "text-anchor": "middle" }));
  parts.push(text((box.left + box.right) / 2, height - 4, options.unit, { "text-anchor": "middle" }));
  parts.push(text(0, 10, options.label, {}));

  const last = (values) => values[values.length - 1];
  const places = spread(series.map((s) => y(last(s.mean))), 17, box.top, box.bottom);
  series.forEach((s, i) => {
    const at = (values) => values.map((v, k) => `${x(s.x[k]).toFixed(1)},${y(v).toFixed(1)}`);
    const own = { c: s.method.colour, "data-method": s.method.name };
    if (s.seeds > 1)
      parts.push(svg("path", { ...own, class: "band", d: "M" + [...at(s.high), ...at(s.low).reverse()].join("L") + "Z" }));
    parts.push(svg("path", { ...own, class: "curve", d: "M" + at(s.mean).join("L"), "stroke-dasharray": s.method.dash || null }));
    const [ex, ey] = [x(last(s.x)), y(last(s.mean))];
    const marked = options.points ? s.x.map((v, k) => [x(v), y(s.mean[k])]) : [[ex, ey]];
    for (const [px, py] of marked) parts.push(marker(s.method.marker, px, py, 4, { ...own, class: "fill" }));
    if (!wide) return;
    parts.push(line(ex + 6, ey, box.right + 14, places[i], { ...own, class: "leader" }));
    parts.push(text(box.right + 18, places[i] + 4, s.method.name, { ...own, class: "own" }));
  });
  const rule = line(0, box.top, 0, box.bottom, { class: "cursor", visibility: "hidden" });
  const picture = canvas(width, height, `${options.label} over ${options.unit}`, parts, rule);
  const readout = html("div", { class: "readout", hidden: "", role: "status" });
  host.replaceChildren(picture, readout);
  cursor(host, picture, rule, readout, series, x, width, options);
}

function cursor(host, picture, rule, readout, series, x, width, options) {
  // Every place that any line was measured at; runs of one bench share nearly all of them.
  const stops = [...new Set(series.flatMap((s) => s.x))].sort((a, b) => a - b);
  let current = -1;
  const nearest = (s, stop) => s.x.reduce((best, v, k) => (Math.abs(v - stop) < Math.abs(s.x[best] - stop) ? k : best), 0);
  const hide = () => {
    current = -1;
    readout.hidden = true;
    rule.setAttribute("visibility", "hidden");
  };
  const show = (index) => {
    current = Math.max(0, Math.min(stops.length - 1, index));
    const stop = stops[current], px = x(stop);
    rule.setAttribute("x1", px);
    rule.setAttribute("x2", px);
    rule.setAttribute("visibility", "visible");
    const rows = series.map((s) => [s, s.mean[nearest(s, stop)]]).sort((a, b) => a[1] - b[1]);
    readout.replaceChildren(
      html("b", {}, `${grouped(stop)} ${options.unit}`),
      ...rows.map(([s, v]) => html("span", {}, swatch(s.method.colour), html("i", { style: "font-style:normal" }, s.method.name), html("i", { style: "font-style:normal" }, options.value(v)))),
    );
    readout.hidden = false;
    const gap = 14, half = readout.offsetWidth;
    const side = px + gap + half <= host.clientWidth ? px + gap : Math.max(0, px - gap - half);
    readout.style.transform = `translate(${side}px, 26px)`;
  };
  picture.setAttribute("tabindex", "0");
  const follow = (event) => {
    const px = ((event.clientX - picture.getBoundingClientRect().left) / picture.clientWidth) * width;
    let best = 0;
    stops.forEach((v, i) => { if (Math.abs(x(v) - px) < Math.abs(x(stops[best]) - px)) best = i; });
    show(best);
  };
  picture.addEventListener("pointermove", follow);
  picture.addEventListener("pointerdown", follow);
  picture.addEventListener("pointerleave", hide);
  picture.addEventListener("blur", hide);
  picture.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") hide();
    if (!by) return;
    event.preventDefault();
    show(current < 0 ? (by > 0 ? 0 : stops.length - 1) : current + by);
  });
}
