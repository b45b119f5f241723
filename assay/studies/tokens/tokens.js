"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const tokens = Array.from(document.querySelectorAll(".t"));
const slider = document.getElementById("layer");
const tip = document.getElementById("tip");
const byId = (id) => document.getElementById(id);

// Probabilities as 16-bit fractions, little endian: variant → [layer × token].
const probabilities = data.questions.map((question) => {
  const text = atob(question.probabilities);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
});
const probability = (variant, layer, token) => probabilities[variant][layer * tokens.length + token] / 65535;

// White for no, red for yes; dark text keeps a contrast of at least 4.5 on all of them.
const colours = Array.from({ length: 256 }, (_, step) => {
  const p = step / 255;
  return `rgb(255 ${Math.round(255 - 183 * p)} ${Math.round(255 - 195 * p)})`;
});

let variant = 0;
let current = -1; // the token the tip is about
let reachable = 0; // the one token that Tab reaches

function paint() {
  const layer = Number(slider.value);
  const row = probabilities[variant].subarray(layer * tokens.length, (layer + 1) * tokens.length);
  for (let i = 0; i < tokens.length; i++) tokens[i].style.backgroundColor = colours[row[i] >> 8];
  const name = String(data.layers[layer]);
  byId("layer-shown").textContent = name;
  byId("layer-in-title").textContent = name;
  slider.setAttribute("aria-valuetext", `layer ${name}`);
  byId("accuracy").textContent = data.questions[variant].accuracy[layer];
  if (current >= 0) describe(current);
}

function mark() {
  const truth = data.questions[variant].truth;
  for (let i = 0; i < tokens.length; i++) tokens[i].classList.toggle("true", truth[i] === "1");
}

function describe(index) {
  const layer = Number(slider.value);
  const wording = data.questions[variant];
  byId("tip-token").textContent = data.names[index];
  byId("tip-probability").textContent =
    `${wording.asked}: ${probability(variant, layer, index).toFixed(4)} (layer ${data.layers[layer]})`;
  byId("tip-truth").textContent = { 0: `truth: no`, 1: `truth: yes`, "-": "truth: not known, the text ends here" }[wording.truth[index]];
  const bars = byId("tip-layers").children;
  for (let l = 0; l < bars.length; l++) {
    bars[l].style.height = `${Math.max(2, 100 * probability(variant, l, index))}%`;
    bars[l].classList.toggle("here", l === layer);
  }
}

function show(index) {
  current = index;
  describe(index);
  tip.hidden = false;
  const token = tokens[index].getClientRects()[0] || tokens[index].getBoundingClientRect();
  const box = tip.getBoundingClientRect();
  const below = token.bottom + 8 + box.height < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(token.left, innerWidth - box.width - 8))}px`;
  tip.style.top = `${below ? token.bottom + 8 : Math.max(8, token.top - box.height - 8)}px`;
}

function hide() {
  current = -1;
  tip.hidden = true;
}

function reach(index) {
  tokens[reachable].tabIndex = -1;
  tokens[index].tabIndex = 0;
  reachable = index;
}

// The nearest token one line up or down, by where tokens lie on the screen.
function vertical(index, step) {
  const from = tokens[index].getBoundingClientRect();
  let best = index;
  let bestDistance = Infinity;
  let line = null;
  for (let i = index + step; i >= 0 && i < tokens.length; i += step) {
    const box = tokens[i].getBoundingClientRect();
    if (step > 0 ? box.top < from.bottom - 4 : box.bottom > from.top + 4) continue;
    if (line === null) line = box.top;
    if (Math.abs(box.top - line) > 8) break;
    const distance = Math.abs(box.left - from.left);
    if (distance < bestDistance) [best, bestDistance] = [i, distance];
  }
  return best;
}

function moved(key, index) {
  if (key === "ArrowRight") return Math.min(index + 1, tokens.length - 1);
  if (key === "ArrowLeft") return Math.max(index - 1, 0);
  if (key === "ArrowDown") return vertical(index, 1);
  if (key === "ArrowUp") return vertical(index, -1);
  if (key === "Home") return 0;
  if (key === "End") return tokens.length - 1;
  return null;
}

function changeLayer(step) {
  slider.value = String(Number(slider.value) + step);
  paint();
}

tokens.forEach((token, index) => {
  token.tabIndex = -1;
  token.dataset.index = String(index);
});
for (const _ of data.layers) byId("tip-layers").append(document.createElement("i"));
byId("tip-caption").textContent = `by layer, ${data.layers[0]} to ${data.layers[data.layers.length - 1]}`;

const text = byId("text");
const indexOf = (event) => (event.target.dataset && "index" in event.target.dataset ? Number(event.target.dataset.index) : -1);
text.addEventListener("pointerover", (event) => { if (indexOf(event) >= 0) show(indexOf(event)); });
text.addEventListener("pointerleave", hide);
text.addEventListener("focusin", (event) => { if (indexOf(event) >= 0) { reach(indexOf(event)); show(indexOf(event)); } });
text.addEventListener("focusout", hide);
text.addEventListener("keydown", (event) => {
  const index = indexOf(event);
  if (index < 0) return;
  if (event.key === "[" || event.key === "]") changeLayer(event.key === "]" ? 1 : -1);
  const next = moved(event.key, index);
  if (next === null) return;
  event.preventDefault();
  tokens[next].focus();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
addEventListener("scroll", () => { if (current >= 0) show(current); }, { passive: true });
addEventListener("resize", hide);
slider.addEventListener("input", paint);
for (const choice of document.querySelectorAll("input[name=variant]"))
  choice.addEventListener("change", () => { variant = Number(choice.value); mark(); paint(); });

if (tokens.length) reach(0);
mark();
paint();
