"use strict";
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);

// The page's ground, or its hot or cold end, as [red, green, blue]; the reader's light or dark decides.
const shade = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim().split(/\s+/).map(Number);
const mixed = (from, to, part) => `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * part)).join(" ")})`;
const onShadesChanged = (paint) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

// Keys that the whole page answers, except while a person types; Escape always.
function onKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(actions, event.key)) return;
    if (event.key !== "Escape" && event.target.matches("input[type=search], select")) return;
    event.preventDefault();
    actions[event.key]();
  });
}

// Many elements, one stop of Tab: arrows, Home and End move among them. Up and down go to the nearest one of the next
// line, by where they lie on the screen. Returns the number of an element, -1 for any other.
function rove(elements) {
  const places = new Map(elements.map((element, index) => [element, index]));
  const last = elements.length - 1;
  let reachable = 0;

  function nearest(index, step) {
    const from = elements[index].getBoundingClientRect();
    let [best, distance, line] = [index, Infinity, null];
    for (let i = index + step; i >= 0 && i <= last; i += step) {
      const box = elements[i].getBoundingClientRect();
      if (step > 0 ? box.top < from.bottom - 4 : box.bottom > from.top + 4) continue;
      if (line === null) line = box.top;
      if (Math.abs(box.top - line) > 8) break;
      if (Math.abs(box.left - from.left) < distance) [best, distance] = [i, Math.abs(box.left - from.left)];
    }
    return best;
  }

  const moves = {
    ArrowRight: (index) => Math.min(index + 1, last),
    ArrowLeft: (index) => Math.max(index - 1, 0),
    ArrowDown: (index) => nearest(index, 1),
    ArrowUp: (index) => nearest(index, -1),
    Home: () => 0,
    End: () => last,
  };
  const numberOf = (element) => places.get(element) ?? -1;
  elements.forEach((element, index) => {
    element.tabIndex = index ? -1 : 0;
    element.dataset.index = String(index);
  });
  document.addEventListener("focusin", (event) => {
    const index = numberOf(event.target);
    if (index < 0) return;
    elements[reachable].tabIndex = -1;
    elements[index].tabIndex = 0;
    reachable = index;
  });
  document.addEventListener("keydown", (event) => {
    const index = numberOf(event.target);
    if (index < 0 || event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    elements[moves[event.key](index)].focus();
  });
  return numberOf;
}
