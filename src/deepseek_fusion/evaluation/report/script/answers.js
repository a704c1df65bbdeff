/* Every answer: a filtered list in pages, reached from facts, kinds of question, branches and clusters of mistakes. */
const [FAMILY, PROMPT, GOLD, BEFORE, NOW, WAS_RIGHT, IS_RIGHT, ABOUT, MISTAKE] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const PAGE = 20;
const list = document.getElementById("answer-list");
const filter = Object.fromEntries(
  ["family", "relation", "outcome", "search", "fact", "back", "on", "page", "count"].map((name) => [name, document.getElementById(`answer-${name}`)]),
);
let onlyFact = null;
let firstShown = 0;

const OUTCOMES = {
  outcome_wrong: (answer) => !answer[IS_RIGHT],
  outcome_right: (answer) => answer[IS_RIGHT],
  outcome_gained: (answer) => answer[IS_RIGHT] && answer[WAS_RIGHT] === false,
  outcome_lost: (answer) => !answer[IS_RIGHT] && answer[WAS_RIGHT] === true,
};

function matching() {
  const [family, relation, outcome] = [filter.family.value, filter.relation.value, filter.outcome.value];
  const wanted = filter.search.value.trim().toLowerCase();
  return answers.filter(
    (answer) =>
      (!family || answer[FAMILY] === family) &&
      (onlyFact === null || answer[ABOUT].includes(onlyFact)) &&
      (!relation || answer[ABOUT].some((fact) => facts[fact][RELATION] === relation)) &&
      (!outcome || (OUTCOMES[outcome]?.(answer) ?? outcome === `mistake_${answer[MISTAKE]}`)) &&
      (!wanted || searchable(answer).includes(wanted)),
  );
}
function searchable(answer) {
  const names = answer[ABOUT].map((fact) => facts[fact][SUBJECT]);
  return [answer[PROMPT], ...answer[GOLD], answer[BEFORE] ?? "", answer[NOW], ...names].join("\n").toLowerCase();
}

/** One answer as a row: the question, then what was written before and now. */
function answerRow(answer) {
  const kind = answer[MISTAKE] ? ` · ${word(`mistake_${answer[MISTAKE]}`)}` : "";
  const said = (side, text, right) =>
    element("div", "answer", element("small", "", `${word(side)} `, right == null ? "" : mark(right)), text ?? "–");
  const question = element("div", "", element("small", "", word(`family_${answer[FAMILY]}`) + kind), element("span", "prompt", answer[PROMPT]));
  question.append(element("small", "", `${word("expected")}: ${answer[GOLD].join(" · ") || "–"}`));
  return element("li", "", question, said("before", answer[BEFORE], answer[WAS_RIGHT]), said("now", answer[NOW], answer[IS_RIGHT]));
}

function showAnswers(from = 0) {
  const found = matching();
  firstShown = from;
  const shown = found.slice(from, from + PAGE);
  list.replaceChildren(...(shown.length ? shown.map(answerRow) : [element("li", "", element("span", "nothing", word("no_answers")))]));
  filter.count.textContent = `${found.length.toLocaleString("en")} / ${answers.length.toLocaleString("en")}`;
  filter.page.textContent = shown.length ? word("page_of", { from: from + 1, to: from + shown.length, n: found.length.toLocaleString("en") }) : "";
  filter.back.disabled = from === 0;
  filter.on.disabled = from + PAGE >= found.length;
  filter.fact.hidden = onlyFact === null;
  if (onlyFact !== null) filter.fact.textContent = `${word("chosen_fact", { name: `${facts[onlyFact][SUBJECT]} → ${facts[onlyFact][OBJECT]}` })} ✕`;
}

/** Go to the list with one filter set and the others open. */
function findAnswers({ family = "", relation = "", outcome = "", search = "", fact = null }) {
  Object.entries({ family, relation, outcome, search }).forEach(([name, value]) => (filter[name].value = value));
  onlyFact = fact;
  showAnswers();
  document.getElementById("answers").scrollIntoView();
}

/** The answers in which one fact was asked for, for the panel beside the picture. */
function answersBehind(place) {
  const own = answers.filter((answer) => answer[ABOUT].includes(Number(place)));
  if (!own.length) return [];
  const rows = own.slice(0, 8).map((answer) =>
    element("li", "", element("small", "", word(`family_${answer[FAMILY]}`)), answer[PROMPT], element("span", answer[IS_RIGHT] ? "right" : "wrong", answer[NOW])),
  );
  const link = element("button", "link", word("show_answers", { n: own.length }));
  link.onclick = () => findAnswers({ fact: Number(place) });
  return [element("ul", "told", ...rows), element("p", "", link)];
}

if (list) {
  for (const name of ["family", "relation", "outcome", "search"]) filter[name].oninput = () => showAnswers();
  filter.back.onclick = () => showAnswers(Math.max(0, firstShown - PAGE));
  filter.on.onclick = () => showAnswers(firstShown + PAGE);
  filter.fact.onclick = () => ((onlyFact = null), showAnswers());
  document.getElementById("answer-filter").onsubmit = () => false;
  for (const button of all("button[data-family]")) {
    const { family, relationName, mistake } = button.dataset;
    button.onclick = () => findAnswers({ family, relation: relationName, outcome: mistake && `mistake_${mistake}` });
  }
  redraw.push(() => {
    all("option[data-key]").forEach((option) => (option.textContent = word(option.dataset.key)));
    showAnswers(firstShown);
  });
}
