const data = JSON.parse(document.getElementById("data").textContent);
sortable(document.querySelector("table"));

const samples = document.getElementById("samples");
if (samples) {
  const seed = picker("seed", samples, () => {
    for (const p of samples.querySelectorAll("p[data-seed]")) p.hidden = p.dataset.seed !== seed.value;
  });
}

const figures = [forest(data), curves(data), bits(data), occupancy(data)];
const drawAll = () => figures.forEach((draw) => draw());
drawAll();
// Figures are drawn for the width they have, so that text keeps its size on a phone.
let drawn = document.body.clientWidth;
addEventListener("resize", () => {
  if (document.body.clientWidth === drawn) return;
  drawn = document.body.clientWidth;
  drawAll();
});
