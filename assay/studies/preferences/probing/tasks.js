const PAGE = 200; // rows shown at a time
const FILTERS = ["find", "topic", "split"];
const widest = Math.max(...data.tasks.map((task) => Math.abs(task.utility)), 1e-9);
let key = "utility";
let descending = true;
let shown = PAGE;

function chosen() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const topic = byId("topic").value;
  const split = byId("split").value;
  const kept = data.tasks.filter((task) =>
    (!topic || task.topic === topic) && (!split || task.split === split) &&
    words.every((word) => task.text.toLowerCase().includes(word)));
  const order = descending ? -1 : 1;
  return kept.sort((a, b) => order * (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0));
}

function cell(row, text, kind) {
  const made = row.insertCell();
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function draw() {
  const tasks = chosen();
  const body = byId("rows");
  body.replaceChildren();
  for (const task of tasks.slice(0, shown)) {
    const row = body.insertRow();
    cell(row, task.text, "text");
    cell(row, task.topic);
    cell(row, data.splits[task.split]);
    const utility = cell(row, task.utility.toFixed(2), "number");
    const bar = document.createElement("i");
    bar.className = task.utility < 0 ? "bar less" : "bar";
    bar.style.width = `${(3 * Math.abs(task.utility)) / widest}rem`;
    utility.prepend(bar);
    cell(row, task.probe.toFixed(2), "number");
    cell(row, task.error.toFixed(2), "number");
  }
  byId("count").textContent = `${tasks.length} of ${data.tasks.length} tasks`;
  byId("more").hidden = tasks.length <= shown;
  for (const button of document.querySelectorAll("th button")) {
    const here = button.dataset.key === key;
    button.parentElement.setAttribute("aria-sort", here ? (descending ? "descending" : "ascending") : "none");
  }
}

for (const id of FILTERS) byId(id).addEventListener("input", () => { shown = PAGE; draw(); });
byId("more").addEventListener("click", () => { shown += PAGE; draw(); });
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    descending = button.dataset.key === key ? !descending : !["text", "topic", "split"].includes(button.dataset.key);
    key = button.dataset.key;
    draw();
  });
}

function reset() {
  for (const id of FILTERS) byId(id).value = "";
  shown = PAGE;
  draw();
}

onKeys({ "/": () => byId("find").focus(), Escape: reset });
draw();
