// Numbers as text, axes, and labels that keep out of each other's way.
// What rounds to nothing has no sign.
const fixed = (value, places) => {
  const words = value.toFixed(places);
  return Number(words) === 0 ? words.replace("-", "") : words.replace("-", "\u2212");
};
const signed = (value, places) => (value > 0 && Number(value.toFixed(places)) !== 0 ? "+" : "") + fixed(value, places);
const percent = (value, places = 1) => fixed(100 * value, places) + "\u2009%";
const grouped = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u2009");
// Enough decimals to write a step between ticks exactly, no more.
function decimals(step) {
  for (let d = 0; d < 8; d++) if (Math.abs(step * 10 ** d - Math.round(step * 10 ** d)) < 1e-6) return d;
  return 8;
}
const tickText = (value, step) => fixed(value, decimals(step));
function short(value) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]])
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}\u2009${unit}`;
  return String(Number(value.toPrecision(3)));
}

function ticks(low, high, count) {
  const raw = (high - low) / count;
  if (!(raw > 0)) return { at: [low], step: 1 };
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.999) * power;
  const at = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i++) at.push(i * step);
  return { at, step };
}

function logTicks(low, high, count) {
  for (const mantissas of [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]]) {
    const at = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const m of mantissas) if (m * 10 ** e >= low * 0.999 && m * 10 ** e <= high * 1.001) at.push(m * 10 ** e);
    if (at.length <= count + 2 && at.length >= 3) return { at, step: null };
  }
  return ticks(low, high, count);
}

// Maps [low, high] to [a, b]; falls back to linear where a logarithm has no meaning.
function axis(low, high, a, b, log) {
  if (log && !(low > 0)) log = false;
  if (high <= low) [low, high] = log ? [low / 1.1, high * 1.1] : [low - 0.5, high + 0.5];
  const f = log ? Math.log : (v) => v;
  const map = (value) => a + ((b - a) * (f(value) - f(low))) / (f(high) - f(low));
  map.ticks = (count) => (log ? logTicks(low, high, count) : ticks(low, high, count));
  return map;
}

// The same places moved at least `gap` apart, in order, each group centred where its members were.
function spread(places, gap, lowest, highest) {
  const groups = [];
  for (const index of places.map((_, i) => i).sort((a, b) => places[a] - places[b])) {
    let members = [index], centre = places[index];
    while (groups.length) {
      const last = groups[groups.length - 1];
      if (last.centre + (gap * (last.members.length + members.length)) / 2 <= centre) break;
      members = [...groups.pop().members, ...members];
      centre = members.reduce((sum, i) => sum + places[i], 0) / members.length;
    }
    const half = (gap * (members.length - 1)) / 2;
    groups.push({ members, centre: Math.max(lowest + half, Math.min(highest - half, centre)) });
  }
  const moved = [];
  for (const { members, centre } of groups)
    members.forEach((index, rank) => (moved[index] = centre + gap * (rank - (members.length - 1) / 2)));
  return moved;
}
