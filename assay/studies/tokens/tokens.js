const tokens = Array.from(document.querySelectorAll(".t"));
const slider = byId("layer");
const tip = byId("tip");

// Probabilities as 16-bit fractions, little endian: variant → [layer × token].
const probabilities = data.questions.map((question) => {
  const text = atob(question.probabilities);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
});
const probability = (variant, layer, token) => probabilities[variant][layer * tokens.length + token] / 65535;

let colours = []; // 256 steps from no to yes
let variant = 0;
let current = -1; // the token the tip is about

function mix() {
  const [ground, hot] = ["ground", "hot"].map(shade);
  colours = Array.from({ length: 256 }, (_, step) => mixed(ground, hot, step / 255));
}

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

function changeLayer(step) {
  slider.value = String(Number(slider.value) + step);
  paint();
}

for (const _ of data.layers) byId("tip-layers").append(document.createElement("i"));
byId("tip-caption").textContent = `by layer, ${data.layers[0]} to ${data.layers[data.layers.length - 1]}`;

const text = byId("text");
const numberOf = rove(tokens);
const showTarget = (event) => { if (numberOf(event.target) >= 0) show(numberOf(event.target)); };
text.addEventListener("pointerover", showTarget);
text.addEventListener("pointerleave", hide);
text.addEventListener("focusin", showTarget);
text.addEventListener("focusout", hide);
onKeys({ "[": () => changeLayer(-1), "]": () => changeLayer(1), Escape: hide });
addEventListener("scroll", () => { if (current >= 0) show(current); }, { passive: true });
addEventListener("resize", hide);
slider.addEventListener("input", paint);
onShadesChanged(() => { mix(); paint(); });
for (const choice of document.querySelectorAll("input[name=variant]"))
  choice.addEventListener("change", () => { variant = Number(choice.value); mark(); paint(); });

mix();
mark();
paint();
