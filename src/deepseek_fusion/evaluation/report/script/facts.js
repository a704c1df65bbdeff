/* The picture of all facts: filters, a tip while pointing, the answers when chosen. */
const [ID, SUBJECT, RELATION, OBJECT, STATE, FAMILIES] = [0, 1, 2, 3, 4, 5];
const cells = all("#grid .cell");
const factOf = (cell) => facts[cell.dataset.fact];

redraw.push(() => {
  for (const cell of cells) {
    const fact = factOf(cell);
    cell.setAttribute("aria-label", `${fact[SUBJECT]}, ${fact[RELATION]}, ${fact[OBJECT]}: ${word(fact[STATE])}`);
  }
  const chosen = document.querySelector(".cell.chosen");
  if (chosen) showDetail(chosen);
});

/* Filters: a fact is shown if its state, its relation and its name all match. */
const section = document.getElementById("facts");
const search = document.getElementById("search");
const stateButtons = all("[data-state]");
const relationButtons = all("#relations button");

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
  const asked = Object.values(fact[FAMILIES]);
  const count = (side) =>
    word("asked", { right: asked.filter((answer) => answer[side]).length, asked: asked.length });
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
  const verdict = (right) => element("td", "", right == null ? "–" : mark(right));
  const head = element("tr", "", element("th", ""), element("th", "", word("before")), element("th", "", word("now")));
  const rows = Object.entries(fact[FAMILIES]).map(([family, answer]) =>
    element("tr", "", element("th", "", word(`family_${family}`)), verdict(answer.before), verdict(answer.now)),
  );
  const close = element("button", "close", word("close"));
  close.onclick = closeDetail;
  detail.replaceChildren(
    element("h3", "", fact[SUBJECT]),
    element("p", "", `${fact[RELATION]}: ${fact[OBJECT]}`),
    element("p", "state", element("i", `cell ${fact[STATE]}`), `${word(fact[STATE])} · ${word(`${fact[STATE]}_note`)}`),
    element("table", "", element("thead", "", head), element("tbody", "", ...rows)),
    ...answersBehind(cell.dataset.fact),
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
  const move = ARROWS[event.key];
  if (!cell || !move) return;
  event.preventDefault();
  const shown = cells.filter((other) => !other.classList.contains("off") && !other.closest("tr").classList.contains("off"));
  const next = neighbour(cell, shown, move);
  if (!next) return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  showDetail(next);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.target.closest?.("#map")) return;
  tip.hidden = true;
  closeDetail();
});
document.addEventListener("scroll", () => (tip.hidden = true), { passive: true });
