// A filter and a download above each ledger that regiometrics.report.tables.ledger_table wrote.
// Without this script the table stands as it is, whole; with it nothing leaves the page.
(() => {
  "use strict";

  const ALL = "";

  function labelled(text, control) {
    const label = document.createElement("label");
    label.append(text, control);
    return label;
  }

  function choice(values) {
    const select = document.createElement("select");
    select.append(new Option("all", ALL), ...values.map((value) => new Option(value, value)));
    return select;
  }

  const distinct = (rows, key) => [...new Set(rows.map((row) => row.dataset[key]))].sort();

  function tally(rows) {
    const numbers = new Map();
    for (const row of rows) {
      numbers.set(row.dataset.verdict, (numbers.get(row.dataset.verdict) ?? 0) + 1);
    }
    return [...numbers].map(([verdict, n]) => `${n} ${verdict}`).join(", ");
  }

  function csv(table, rows) {
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const value = (cell) => {
      const text = (cell.dataset.value ?? cell.textContent).trim();
      if (text === "–") return "";
      return cell.classList.contains("rm-number") ? text.replaceAll(",", "").replace(/^\+/, "") : text;
    };
    const lines = [...table.tHead.rows, ...rows].map((row) => [...row.cells].map(value).map(quoted).join(","));
    return `\ufeff${lines.join("\r\n")}\r\n`; // the mark lets spreadsheets read Chinese
  }

  function save(text, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function equip(box) {
    const table = box.querySelector("table");
    const rows = [...table.tBodies[0].rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const paper = choice(distinct(rows, "paper"));
    const verdict = choice(distinct(rows, "verdict"));
    const words = document.createElement("input");
    words.type = "search";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Download these rows (CSV)";
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    const shown = () => rows.filter((row) => !row.hidden);

    function update() {
      const wanted = words.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row, i) => {
        row.hidden =
          (paper.value !== ALL && row.dataset.paper !== paper.value) ||
          (verdict.value !== ALL && row.dataset.verdict !== verdict.value) ||
          !wanted.every((word) => texts[i].includes(word));
      });
      const visible = shown();
      count.textContent = `${visible.length} of ${rows.length} numbers shown${visible.length ? `: ${tally(visible)}` : ""}`;
    }

    const form = document.createElement("form");
    form.className = "rm-filter";
    form.setAttribute("role", "search");
    form.setAttribute("aria-label", "Filter of the ledger");
    form.append(labelled("Paper", paper), labelled("Verdict", verdict), labelled("Words", words), button, count);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", update);
    button.addEventListener("click", () => save(csv(table, shown()), "ledger.csv"));
    box.before(form);
    update();
  }

  function start() {
    document.querySelectorAll(".rm-ledger").forEach(equip);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
