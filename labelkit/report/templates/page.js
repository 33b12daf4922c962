"use strict";

// Tables: sorted by the column whose heading is pressed, filtered by words, long ones shown in part at first.
(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function valueOf(cell) {
    const by = cell.dataset.by;
    if (by !== undefined) return by !== "" && Number.isFinite(Number(by)) ? Number(by) : by;
    const words = cell.textContent.trim();
    return words === "–" || words === "" ? null : words;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return collator.compare(String(a), String(b));
  }

  function setUp(box) {
    const body = box.querySelector("tbody");
    const headings = [...box.querySelectorAll("th")];
    const input = box.querySelector("input");
    const output = box.querySelector("output");
    const all = box.querySelector("button.all");
    let rows = [...body.rows];
    let limit = Number(box.dataset.shown);
    const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

    function show() {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = rows.filter((row) => wanted.every((word) => words.get(row).includes(word)));
      const shown = new Set(found.slice(0, limit));
      for (const row of rows) row.hidden = !shown.has(row);
      output.textContent = `${shown.size.toLocaleString("en")} of ${found.length.toLocaleString("en")} rows`;
      all.hidden = shown.size === found.length;
    }

    function sort(column) {
      const direction = headings[column].ariaSort === "ascending" ? -1 : 1;
      headings.forEach((heading, k) => { heading.ariaSort = k !== column ? "none" : direction === 1 ? "ascending" : "descending"; });
      const values = new Map(rows.map((row) => [row, valueOf(row.cells[column])]));
      rows.sort((a, b) => {
        const [x, y] = [values.get(a), values.get(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return direction * compare(x, y);
      });
      body.append(...rows);
      show();
    }

    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(column));
      heading.append(button);
      heading.ariaSort = "none";
    });
    input.addEventListener("input", show);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { input.value = ""; show(); }
    });
    all.addEventListener("click", () => { limit = Infinity; show(); headings[0].firstChild.focus(); });
    box.querySelector(".controls").hidden = rows.length < 6;
    show();
  }

  document.querySelectorAll(".table").forEach(setUp);
})();

// What is wider than the window says that it can be scrolled.
(() => {
  for (const box of document.querySelectorAll(".scroll")) {
    const hint = Object.assign(document.createElement("p"), { className: "hint", textContent: "Scroll sideways to see all of it." });
    hint.hidden = true;
    box.before(hint);
    new ResizeObserver(() => { hint.hidden = box.scrollWidth <= box.clientWidth + 1; }).observe(box);
    box.querySelector("img")?.addEventListener("load", () => { hint.hidden = box.scrollWidth <= box.clientWidth + 1; });
  }
})();
