/* What all parts of the page share: words, elements, buttons, and the switch of language. */
const page = document.documentElement;
const { facts, answers, coverage, words } = JSON.parse(document.getElementById("data").textContent);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const word = (key, values = {}) =>
  (words[page.dataset.ui][key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));
const redraw = []; // what each part does when the language changes

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
  redraw.forEach((part) => part());
}
document.getElementById("language").onclick = () => setLanguage(page.dataset.ui === "en" ? "zh" : "en");

/** The nearest of some elements in a direction, by where they stand on the screen. */
function neighbour(from, others, [right, down]) {
  const here = from.getBoundingClientRect();
  let best = null;
  let least = Infinity;
  for (const other of others) {
    if (other === from) continue;
    const to = other.getBoundingClientRect();
    const [dx, dy] = [to.left - here.left, to.top - here.top];
    const [along, across] = right ? [dx * right, Math.abs(dy)] : [dy * down, Math.abs(dx)];
    if (along < 2 || (right && across > Math.max(2, here.height / 2))) continue;
    const distance = along + 3 * across;
    if (distance < least) [best, least] = [other, distance];
  }
  return best;
}
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

const mark = (right) => element("span", right ? "right" : "wrong", word(right ? "right" : "wrong"));
