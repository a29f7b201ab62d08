"use strict";
// Grids are lines of digits in the page; each is drawn when its task is opened for the first time.
const form = document.getElementById("filters");
const list = document.getElementById("list");
const style = getComputedStyle(document.documentElement);
const palette = Array.from({ length: 10 }, (_, i) => style.getPropertyValue(`--c${i}`).trim());

function dark(color) {
  const [r, g, b] = color.match(/\d+/g).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b < 140;
}

function draw(pre) {
  const rows = pre.textContent.split("\n");
  const truth = pre.dataset.truth && document.getElementById(pre.dataset.truth);
  const right = truth ? truth.querySelector(".g").textContent.split("\n") : null;
  const same = right && right.length === rows.length && right[0].length === rows[0].length;
  const side = Math.max(5, Math.min(24, Math.floor(168 / Math.max(rows.length, rows[0].length))));
  const scale = Math.min(3, window.devicePixelRatio || 1);
  const canvas = document.createElement("canvas");
  const width = rows[0].length * side + 1, height = rows.length * side + 1;
  canvas.width = width * scale; canvas.height = height * scale;
  canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = "#808080";
  pen.fillRect(0, 0, width, height);
  let wrong = 0;
  rows.forEach((row, i) => [...row].forEach((digit, j) => {
    const color = palette[digit], x = j * side + 1, y = i * side + 1, inner = side - 1;
    pen.fillStyle = color;
    pen.fillRect(x, y, inner, inner);
    const mark = dark(color) ? "#ffffff" : "#000000";
    if (form && form.elements.digits.checked && side > 9) {
      pen.fillStyle = mark;
      pen.font = `${Math.floor(side * 0.6)}px monospace`;
      pen.textAlign = "center"; pen.textBaseline = "middle";
      pen.fillText(digit, x + inner / 2, y + inner / 2 + 1);
    }
    if (same && right[i][j] !== digit) {
      wrong += 1;
      pen.strokeStyle = mark;
      pen.lineWidth = Math.max(1, side / 10);
      pen.beginPath();
      pen.moveTo(x + 1, y + 1); pen.lineTo(x + inner - 1, y + inner - 1);
      pen.moveTo(x + inner - 1, y + 1); pen.lineTo(x + 1, y + inner - 1);
      pen.stroke();
    }
  }));
  canvas.setAttribute("role", "img");
  const words = same ? (wrong ? `; ${wrong} cells are wrong` : "; right") : "";
  canvas.setAttribute("aria-label", pre.getAttribute("aria-label") + words);
  const before = pre.parentElement.querySelector("canvas");
  if (before) before.remove();
  pre.before(canvas);
  pre.hidden = true;
}

function open(task) {
  task.querySelectorAll(".g").forEach(draw);
  task.dataset.drawn = "yes";
}

function shown() {
  return [...list.children].filter((task) => !task.hidden);
}

const order = ["solved", "partly", "nearly", "wrong", "size", "unanswered", "hidden"];
const keys = {
  given: (task) => Number(task.dataset.number),
  id: (task) => task.dataset.id,
  status: (task) => order.indexOf(task.dataset.status),
  votes: (task) => -Number(task.dataset.votes),
};

function apply() {
  const chosen = (name) => {
    const boxes = [...form.querySelectorAll(`input[name=${name}]`)];
    return boxes.length ? new Set(boxes.filter((box) => box.checked).map((box) => box.value)) : null;
  };
  const statuses = chosen("status"), changes = chosen("change");
  const source = form.elements.source.value;
  const words = form.elements.id.value.trim().toLowerCase();
  for (const task of list.children) {
    const data = task.dataset;
    task.hidden = !(statuses.has(data.status) && (!changes || changes.has(data.change))
      && (!source || data.sources.split("\n").includes(source))
      && data.id.toLowerCase().includes(words));
  }
  const key = keys[form.elements.order.value];
  const tasks = [...list.children];
  tasks.sort((a, b) => {
    const x = key(a), y = key(b);
    return x < y ? -1 : x > y ? 1 : keys.given(a) - keys.given(b);
  });
  tasks.forEach((task) => list.append(task));
  document.getElementById("shown").textContent = `${shown().length} of ${tasks.length} tasks.`;
}

if (form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  const changed = (event) => {
    if (event.target.name === "digits") {
      list.querySelectorAll("[data-drawn]").forEach(open);
    } else {
      apply();
    }
  };
  // Typing in the search gives no change until the field is left; not every list gives input.
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  for (const task of list.children) {
    const see = () => { if (task.open && !task.dataset.drawn) open(task); };
    task.addEventListener("toggle", see);
    see();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName)
      && event.target.type !== "checkbox";
    if (event.key === "Escape" && typing) event.target.blur();
    if (typing) return;
    if (event.key === "/") {
      event.preventDefault();
      form.elements.id.focus();
    } else if (event.key === "j" || event.key === "k") {
      const tasks = shown();
      const at = tasks.indexOf(document.activeElement.closest(".task"));
      const next = tasks[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
      if (next) next.querySelector("summary").focus();
    }
  });
  apply();
}
