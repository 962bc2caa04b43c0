// Loss and flip rate over tokens, with the methods and seeds that the reader chose.
function curves(data, chosen) {
  const root = document.getElementById("curves");
  if (!root) return () => {};
  const pick = (name) => picker(name, root, draw);
  const kind = pick("curve"), show = pick("show"), tokens = pick("token axis"), height = pick("loss axis");

  function draw() {
    const end = (list) => Math.max(0, ...list.flatMap((s) => s.x));
    const share = { late: 0.05, all: 0, half: 0.5 }[show.value];
    // A run that was evaluated twice is shown whole: a cut would leave a dot.
    const from = (list) => {
      const start = share * end(list);
      return list.some((s) => s.x.filter((x) => x >= start).length > 1) ? start : 0;
    };
    const loss = chosen().series(kind.value);
    lineplot(document.getElementById("loss"), loss, {
      label: `${kind.value === "valid" ? "validation" : "training"} loss, nats`, unit: data.unit, from: from(loss),
      xlog: tokens.value === "log", ylog: height.value === "log",
      value: (v) => fixed(v, 3), tick: (v, step) => (step ? tickText(v, step) : short(v)),
    });
    const host = document.getElementById("flips");
    if (!host) return;
    const flips = chosen().series("flips");
    lineplot(host, flips, {
      label: "weights that change level in a step", unit: data.unit, from: from(flips), zero: true,
      xlog: tokens.value === "log", ylog: height.value === "log",
      value: (v) => percent(v, 3), tick: (v, step) => (step ? tickText(100 * v, 100 * step) : short(100 * v)) + "\u2009%",
    });
  }
  return draw;
}
