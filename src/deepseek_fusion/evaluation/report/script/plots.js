/* The training curve under the pointer. */
for (const figure of all("figure[data-points]")) {
  const points = JSON.parse(figure.dataset.points);
  const [svg, cursor, output] = ["svg", ".cursor", "output"].map((selector) => figure.querySelector(selector));
  const end = points.at(-1)[1] || 1;
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect();
    const tokens = (end * (event.clientX - box.left)) / box.width;
    const near = points.reduce((a, b) => (Math.abs(b[1] - tokens) < Math.abs(a[1] - tokens) ? b : a));
    for (const x of ["x1", "x2"]) cursor.setAttribute(x, (100 * near[1]) / end);
    const [step, count, value, rate] = near;
    output.textContent = `${word("step")} ${step} · ${count.toLocaleString("en")} ${word("tokens")} · ${+value.toPrecision(4)} · ${word("learning_rate")} ${+rate.toPrecision(3)}`;
  };
  svg.onpointerleave = () => {
    for (const x of ["x1", "x2"]) cursor.setAttribute(x, -1);
    output.textContent = "";
  };
}
