"use strict";
const page = document.documentElement;
const { facts, words } = JSON.parse(document.getElementById("data").textContent);
const [ID, SUBJECT, RELATION, OBJECT, STATE, FAMILIES] = [0, 1, 2, 3, 4, 5];
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const word = (key) => words[page.dataset.ui][key] ?? key;
const cells = all("#grid .cell");
const factOf = (cell) => facts[cell.dataset.fact];

/** A new element; what it holds is always text or elements, never markup, because facts are other people's data. */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function setLanguage(language) {
  page.dataset.ui = page.lang = language;
  for (const labelled of all("[data-label-en]")) {
    const label = labelled.dataset[language === "zh" ? "labelZh" : "labelEn"];
    labelled.setAttribute("aria-label", label);
    if (labelled.tagName === "INPUT") labelled.placeholder = label;
  }
  for (const cell of cells) {
    const fact = factOf(cell);
    cell.setAttribute("aria-label", `${fact[SUBJECT]}, ${fact[RELATION]}, ${fact[OBJECT]}: ${word(fact[STATE])}`);
  }
  const chosen = document.querySelector(".cell.chosen");
  if (chosen) showDetail(chosen);
}
document.getElementById("language").onclick = () => setLanguage(page.dataset.ui === "en" ? "zh" : "en");

/* Filters: a fact is shown if its state, its relation and its name all match. */
const section = document.getElementById("facts");
const search = document.getElementById("search");
const stateButtons = all("[data-state]");
const relationButtons = all("#relations button");
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

function applyFilter() {
  const states = new Set(stateButtons.filter(pressed).map((button) => button.dataset.state));
  const relation = relationButtons.find(pressed).dataset.relation;
  const wanted = search.value.trim().toLowerCase();
  for (const cell of cells) {
    const fact = factOf(cell);
    const named = !wanted || `${fact[SUBJECT]}\n${fact[OBJECT]}`.toLowerCase().includes(wanted);
    const related = !relation || cell.closest("td").dataset.relation === relation;
    cell.classList.toggle("off", !(states.has(fact[STATE]) && related && named));
  }
  const shown = cells.filter((cell) => !cell.classList.contains("off"));
  const relations = new Set(shown.map((cell) => cell.closest("td").dataset.relation));
  for (const head of all("#grid thead [data-relation]")) head.classList.toggle("off", !relations.has(head.dataset.relation));
  for (const row of all("#grid tbody tr")) row.classList.toggle("off", !row.querySelector(".cell:not(.off)"));
  document.getElementById("nothing").hidden = shown.length > 0;
  cells.forEach((cell) => (cell.tabIndex = -1));
  if (shown.length) shown[0].tabIndex = 0;
}
for (const button of stateButtons)
  button.onclick = () => {
    // The first choice isolates one state; after that, states are added and taken away.
    if (stateButtons.every(pressed)) stateButtons.forEach((other) => press(other, other === button));
    else press(button, !pressed(button));
    if (!stateButtons.some(pressed)) stateButtons.forEach((other) => press(other, true));
    applyFilter();
  };
for (const button of relationButtons)
  button.onclick = () => {
    relationButtons.forEach((other) => press(other, other === button));
    applyFilter();
  };
search.oninput = applyFilter;
for (const button of all("[data-show]"))
  button.onclick = () => {
    section.dataset.view = button.dataset.show;
    all("[data-show]").forEach((other) => press(other, other === button));
  };

/* One fact: a tip while pointing, its answers when chosen. */
const tip = document.getElementById("tip");
const detail = document.getElementById("detail");
const nothingChosen = detail.firstElementChild;

function showTip(cell) {
  const fact = factOf(cell);
  const answers = Object.values(fact[FAMILIES]);
  const count = (side) =>
    word("asked").replace("{right}", answers.filter((answer) => answer[side]).length).replace("{asked}", answers.length);
  tip.replaceChildren(
    element("b", "", fact[SUBJECT]),
    `${fact[RELATION]}: ${fact[OBJECT]}`,
    element("div", "", `${word(fact[STATE])} · ${word("before")} ${count("before")} · ${word("now")} ${count("now")}`),
  );
  tip.hidden = false;
  const place = cell.getBoundingClientRect();
  const left = Math.min(place.left, page.clientWidth - tip.offsetWidth - 8);
  const above = place.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above > 8 ? above : place.bottom + 8}px`;
}

function showDetail(cell) {
  const fact = factOf(cell);
  const verdict = (right) => element("td", "", element("span", right ? "right" : "wrong", word(right ? "right" : "wrong")));
  const head = element("tr", "", element("th", ""), element("th", "", word("before")), element("th", "", word("now")));
  const rows = Object.entries(fact[FAMILIES]).map(([family, answer]) =>
    element("tr", "", element("th", "", word(family)), verdict(answer.before), verdict(answer.now)),
  );
  const close = element("button", "", word("close"));
  close.onclick = closeDetail;
  detail.replaceChildren(
    element("h3", "", fact[SUBJECT]),
    element("p", "", `${fact[RELATION]}: ${fact[OBJECT]}`),
    element("p", "state", element("i", `cell ${fact[STATE]}`), `${word(fact[STATE])} · ${word(`${fact[STATE]}_note`)}`),
    element("table", "", element("thead", "", head), element("tbody", "", ...rows)),
    element("p", "id", fact[ID]),
    close,
  );
  cells.forEach((other) => other.classList.toggle("chosen", other === cell));
}

function closeDetail() {
  detail.replaceChildren(nothingChosen);
  cells.forEach((cell) => cell.classList.remove("chosen"));
}

const grid = document.getElementById("grid");
const cellAt = (event) => event.target.closest?.(".cell");
grid.addEventListener("pointerover", (event) => {
  const cell = cellAt(event);
  if (cell && event.pointerType !== "touch") showTip(cell);
  else tip.hidden = true;
});
grid.addEventListener("pointerleave", () => (tip.hidden = true));
grid.addEventListener("click", (event) => cellAt(event) && showDetail(cellAt(event)));
grid.addEventListener("keydown", (event) => {
  const cell = cellAt(event);
  const move = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  if (!cell || !move) return;
  event.preventDefault();
  const next = neighbour(cell, ...move);
  if (!next) return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  showDetail(next);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  tip.hidden = true;
  closeDetail();
});
document.addEventListener("scroll", () => (tip.hidden = true), { passive: true });

/** The nearest shown cell in a direction, by where it stands on the screen: both arrangements work alike. */
function neighbour(cell, right, down) {
  const from = cell.getBoundingClientRect();
  let best = null;
  let least = Infinity;
  for (const other of cells) {
    if (other === cell || other.classList.contains("off") || other.closest("tr").classList.contains("off")) continue;
    const to = other.getBoundingClientRect();
    const [dx, dy] = [to.left - from.left, to.top - from.top];
    const [along, across] = right ? [dx * right, Math.abs(dy)] : [dy * down, Math.abs(dx)];
    if (along < 2 || (right && across > 2)) continue;
    const distance = along + 3 * across;
    if (distance < least) [best, least] = [other, distance];
  }
  return best;
}

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

const copy = document.getElementById("copy");
copy.onclick = async () => {
  await navigator.clipboard.writeText(document.querySelector(".command code").textContent);
  copy.textContent = word("copied");
};
addEventListener("beforeprint", () => all("details:not(.relation)").forEach((part) => (part.open = true)));

setLanguage(page.dataset.ui);
applyFilter();
