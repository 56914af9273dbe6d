"use strict";
// What comes from the ledger is shown by textContent only.

const at = (id) => document.getElementById(id);
const given = document.querySelector("meta[name=duelist-key]").content;
let latest = 0;
let next = null;

at("key_field").hidden = Boolean(given);

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

async function ask(question) {
  const response = await fetch("/v1/preview", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${given || at("key").value.trim()}` },
    body: JSON.stringify(question),
  });
  return { ok: response.ok, answer: await response.json() };
}

function question() {
  const asked = { filter: at("filter").value, level: at("level").value };
  if (at("as_of").value) asked.as_of = at("as_of").value;
  return asked;
}

function note(entry, kind) {
  const item = element("li", entry.message, kind);
  if (entry.start !== null) {
    const line = Array.from(at("filter").value.split("\n")[entry.line - 1] || "");
    const width = Math.max(1, Math.min(entry.end - entry.start, line.length - entry.column + 1));
    item.textContent += `\n  ${line.join("")}\n  ${" ".repeat(entry.column - 1)}${"^".repeat(width)}`;
  }
  if (entry.hint) item.textContent += `\n${entry.hint}`;
  item.append(...(entry.fixes || []).map((fix) => fixing(fix)));
  at("notes").append(item);
}

function fixing(fix) {
  const button = element("button", fix.title);
  button.addEventListener("click", () => {
    const text = Array.from(at("filter").value); // offsets count characters, not UTF-16 units
    at("filter").value = [...text.slice(0, fix.start), fix.text, ...text.slice(fix.end)].join("");
    at("filter").focus();
    show();
  });
  return button;
}

function clear() {
  for (const id of ["english", "notes", "counts", "rows"]) at(id).replaceChildren();
  at("more").hidden = true;
  next = null;
}

const isNumber = (value) => typeof value === "number" || /^-?\d+(\.\d+)?$/.test(value ?? "");

function cell(name, value) {
  const text = Array.isArray(value) ? value.join(", ") : value === null ? "–" : String(value);
  return element("td", text, isNumber(value) && !name.endsWith("source_id") ? "number" : "");
}

function addRows(rows) {
  const table = at("rows");
  if (!table.rows.length && rows.length) {
    const head = table.createTHead().insertRow();
    for (const [name, value] of Object.entries(rows[0])) {
      head.append(element("th", name, cell(name, value).className));
    }
    table.createTBody();
  }
  for (const row of rows) {
    table.tBodies[0].insertRow().append(...Object.entries(row).map(([name, value]) => cell(name, value)));
  }
}

function show() {
  const mine = ++latest;
  const asked = question();
  clear();
  at("english").textContent = "…";
  ask(asked).then(({ ok, answer }) => {
    if (mine !== latest) return;
    at("english").textContent = ok ? answer.english : answer.detail;
    if (!ok) return (answer.errors || []).forEach((entry) => note(entry, "error"));
    answer.warnings.forEach((entry) => note(entry, "warning"));
    const counts = Object.entries(answer.counts).map(([name, count]) => `${count.toLocaleString()} ${name}`);
    at("counts").textContent = `${counts.join(", ")} as of ${answer.as_of}`;
    page(asked, answer);
  }, failed);
}

function page(asked, answer) {
  addRows(answer.groups || answer.customers);
  next = answer.next_cursor;
  at("more").hidden = !next;
  at("more").onclick = () => {
    const mine = latest;
    ask({ ...asked, cursor: next }).then(({ ok, answer: more }) => {
      if (mine !== latest) return;
      if (ok) page(asked, more);
      else at("english").textContent = more.detail;
    }, failed);
  };
}

function failed() {
  at("english").textContent = "The service cannot be reached.";
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
at("filter").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) show();
});
if (given) show();
