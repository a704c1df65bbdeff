"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
document.getElementById("language").addEventListener("click", () => {
  root.dataset.language = root.lang = root.dataset.language === "en" ? "zh" : "en";
});

if (data.rows.length) {
  const BINS = 50;
  const inputs = data.scores.map((score) => document.getElementById(score.key));
  // A row without a score was never compared, so no threshold rejects it
  const passes = (score, value, threshold) => value === null || (score.keeps === "above" ? value >= threshold : value < threshold);
  const shown = (value) => value.toLocaleString("en");

  data.scores.forEach((score, place) => {
    const counts = new Array(BINS).fill(0);
    for (const row of data.rows) {
      const value = row[place];
      if (value !== null) counts[Math.min(BINS - 1, Math.max(0, Math.floor(((value - score.low) / (score.high - score.low)) * BINS)))] += 1;
    }
    const most = Math.log1p(Math.max(...counts)) || 1;
    document.getElementById(`bins-${score.key}`).append(...counts.map((count) => {
      const bar = document.createElement("i");
      bar.style.height = `${(100 * Math.log1p(count)) / most}%`;
      bar.title = shown(Math.round(count * data.weight));
      return bar;
    }));
  });

  const staying = (thresholds) => data.rows.reduce((sum, row) => sum + data.scores.every((score, place) => passes(score, row[place], thresholds[place])), 0);
  const before = staying(data.scores.map((score) => score.now));
  const update = () => {
    const thresholds = inputs.map((input) => Number(input.value));
    // What the page cannot see, such as rounding in the sample, is the same on both sides of the difference
    const change = Math.round((staying(thresholds) - before) * data.weight);
    document.getElementById("stay").textContent = shown(data.kept + change);
    document.getElementById("change").textContent = change ? `${change > 0 ? "+" : "−"}${shown(Math.abs(change))}` : "";
    const changed = [];
    data.scores.forEach((score, place) => {
      const threshold = thresholds[place];
      inputs[place].closest(".score").querySelector("output").textContent = shown(threshold);
      [...document.getElementById(`bins-${score.key}`).children].forEach((bar, number) => {
        bar.classList.toggle("out", !passes(score, score.low + ((number + 0.5) * (score.high - score.low)) / BINS, threshold));
      });
      if (threshold !== score.now) {
        const section = { relevance: "domain", threshold: "semantic" }[score.key];
        changed.push(section ? `  ${section}:\n    ${score.key}: ${threshold}` : `  ${score.key}: ${threshold}`);
      }
    });
    document.getElementById("yaml").textContent = changed.length ? `corpus:\n${changed.join("\n")}` : "–";
  };
  inputs.forEach((input) => input.addEventListener("input", update));
  document.getElementById("reset").addEventListener("click", () => {
    inputs.forEach((input, place) => { input.value = data.scores[place].now; });
    update();
  });
  update();
}
