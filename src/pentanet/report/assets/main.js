const data = JSON.parse(document.getElementById("data").textContent);
sortable(document.querySelector("table"));

const samples = document.getElementById("samples");
if (samples) {
  const seed = picker("seed", samples, () => {
    for (const p of samples.querySelectorAll("p[data-seed]")) p.hidden = p.dataset.seed !== seed.value;
  });
}

let chosen = null;
const figures = [forest(data), depth(data), curves(data, () => chosen), inside(data, () => chosen), bits(data), occupancy(data)];
const overRuns = document.getElementById("curves");
if (overRuns) chosen = filters(overRuns, data, () => [figures[2], figures[3]].forEach((draw) => draw()));
const drawAll = () => figures.forEach((draw) => draw());
drawAll();
// Figures are drawn for the width they have, so that text keeps its size on a phone.
let drawn = document.body.clientWidth;
addEventListener("resize", () => {
  if (document.body.clientWidth === drawn) return;
  drawn = document.body.clientWidth;
  drawAll();
});
