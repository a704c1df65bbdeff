/* The map of branches. Areas by squarified tree map (Bruls, Huizing and van Wijk 2000), two levels at a time. */
const map = document.getElementById("map");
const GAP = 3;
const LABEL = 46; // pixels that a name and its share need above the inner areas

/** The places of some sizes in a box, each [left, top, width, height], as square as they can be. */
function squarify(sizes, [left, top, width, height]) {
  const places = [];
  const scale = (width * height) / sizes.reduce((sum, size) => sum + size, 0);
  for (let start = 0; start < sizes.length; ) {
    const side = Math.min(width, height);
    let [end, sum, worst] = [start, 0, Infinity];
    while (end < sizes.length) {
      const grown = sum + sizes[end] * scale;
      const ratio = Math.max((side ** 2 * sizes[start] * scale) / grown ** 2, grown ** 2 / (side ** 2 * sizes[end] * scale));
      if (ratio > worst) break;
      [worst, sum, end] = [ratio, grown, end + 1];
    }
    const depth = sum / side;
    let along = 0;
    for (; start < end; start++) {
      const length = (sizes[start] * scale) / depth;
      places.push(width >= height ? [left, top + along, depth, length] : [left + along, top, length, depth]);
      along += length;
    }
    if (width >= height) [left, width] = [left + depth, width - depth];
    else [top, height] = [top + depth, height - depth];
  }
  return places;
}

/** The children of a branch that take up any area, the largest first. */
function parts(node, field) {
  return (node.children ?? []).filter((child) => child[field] > 0).sort((a, b) => b[field] - a[field]);
}

function put(area, [left, top, width, height], gap) {
  area.style.cssText = `left:${left}px;top:${top}px;width:${Math.max(1, width - gap)}px;height:${Math.max(1, height - gap)}px`;
}

if (map) {
  const path = document.getElementById("path");
  const leaf = document.getElementById("leaf");
  const areaButtons = all("[data-area]");
  let trail = [coverage];
  let field = "facts";
  const recalled = (node) => (field === "weight" ? node.recalled_weight : node.recalled);
  const share = (node) => (node[field] ? recalled(node) / node[field] : 0);
  const shade = (node) => `r${Math.min(4, Math.floor(share(node) * 5))}`;
  const percent = (node) => `${Math.round(100 * share(node))} %`;
  const told = (node) => word(`${field}_recalled`, { recalled: recalled(node).toLocaleString("en"), facts: node[field].toLocaleString("en") });

  function area(node, place) {
    const inner = parts(node, field);
    const label = element("span", "", node.name, element("small", "", `${percent(node)} · ${told(node)}`));
    const button = element("button", shade(node));
    button.type = "button";
    button.setAttribute("aria-label", `${node.name}: ${told(node)}, ${percent(node)}`);
    button.title = `${node.name}: ${told(node)}, ${percent(node)}`;
    put(button, place, GAP);
    const [width, height] = [place[2] - GAP, place[3] - GAP];
    if (width > 44 && height > 22) button.append(label);
    if (inner.length > 1 && width > 90 && height > LABEL + 40) {
      button.classList.add("nested");
      const box = [5, LABEL, width - 10, height - LABEL - 5];
      squarify(inner.map((child) => child[field]), box).forEach((spot, index) => {
        const small = element("i", shade(inner[index]), spot[2] > 76 && spot[3] > 20 ? inner[index].name : "");
        put(small, spot, 2);
        button.append(small);
      });
    }
    button.onclick = () => (inner.length ? walk([...trail, node]) : tellLeaf(node));
    return button;
  }

  function draw(focus = false) {
    const here = trail.at(-1);
    const inner = parts(here, field);
    const nodes = inner.length ? inner : [here];
    const places = squarify(nodes.map((node) => node[field] || 1), [0, 0, map.clientWidth + GAP, map.clientHeight + GAP]);
    const areas = nodes.map((node, index) => area(node, places[index]));
    areas.forEach((button, index) => (button.tabIndex = index ? -1 : 0));
    map.replaceChildren(...areas);
    if (focus) areas[0].focus({ preventScroll: true });
    path.replaceChildren(
      ...trail.map((node, index) => {
        const last = index === trail.length - 1;
        const step = element(last ? "span" : "button", last ? "" : "link", node.name || "·");
        if (last) step.setAttribute("aria-current", "location");
        else step.onclick = () => walk(trail.slice(0, index + 1));
        return element("li", "", step, last ? ` ${percent(node)} · ${told(node)}` : "");
      }),
    );
  }
  function walk(nodes, focus = true) {
    trail = nodes;
    leaf.replaceChildren();
    draw(focus);
  }
  /** A branch without branches has nothing inside; its answers are in the list below. */
  function tellLeaf(node) {
    leaf.replaceChildren(`${node.name}: ${told(node)}. `);
    const subject = [node.name, ...trail.map((other) => other.name).reverse()].find((name) => facts.some((fact) => fact[SUBJECT] === name));
    if (!answers.length || subject === undefined) return;
    const link = element("button", "link", word("its_answers"));
    link.onclick = () => findAnswers({ search: subject });
    leaf.append(link);
  }

  map.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && trail.length > 1) walk(trail.slice(0, -1));
    const next = ARROWS[event.key] && neighbour(event.target, map.children, ARROWS[event.key]);
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    if (!next) return;
    [event.target.tabIndex, next.tabIndex] = [-1, 0];
    next.focus();
  });
  for (const button of areaButtons)
    button.onclick = () => {
      areaButtons.forEach((other) => press(other, other === button));
      field = button.dataset.area;
      draw();
    };
  for (const button of all("[data-path]"))
    button.onclick = () => {
      const found = [coverage];
      for (const name of JSON.parse(button.dataset.path)) {
        const child = (found.at(-1).children ?? []).find((other) => other.name === name);
        if (child) found.push(child);
      }
      const last = found.at(-1);
      const inside = parts(last, field).length ? found : found.slice(0, -1);
      walk(inside.length ? inside : [coverage], false);
      map.scrollIntoView({ block: "center" });
      if (inside.length < found.length) tellLeaf(last);
    };
  new ResizeObserver(() => draw()).observe(map);
  redraw.push(() => draw());
}
