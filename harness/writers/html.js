// SPDX-License-Identifier: GPL-2.0-only
// Sorts tables, filters maps, opens folds, copies. Without it the page has all the same content.
"use strict";
(() => {
  const all = (what, where = document) => Array.from(where.querySelectorAll(what));
  const button = (name, label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = name;
    made.textContent = label;
    made.addEventListener("click", act);
    return made;
  };

  // Copying. Where the clipboard is refused, by the older way; without that, the text is selected.
  const copiedOtherwise = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const tellAWhile = (told, word) => {
    told.textContent = word;
    setTimeout(() => { told.textContent = "copy"; }, 1500);
  };
  const copied = async (text, place, told) => {
    let word = "copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (copiedOtherwise(text)) return tellAWhile(told, word);
      const range = document.createRange();
      range.selectNodeContents(place.firstChild);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      word = "selected";
    }
    tellAWhile(told, word);
  };
  for (const place of all("[data-copy]")) {
    const made = button("copy", "copy", () => copied(place.dataset.copy, place, made));
    made.setAttribute("aria-label", "copy " + place.dataset.copy);
    place.append(made);
  }

  // Sorting: by the number that a field begins with, else by its text; what is absent comes last.
  const number = /^[=\u25b2\u25bc\u25c6\u25c7 ]*([+\-\u2212]?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?)([kMG]?)(?![\w.])/;
  const sizes = { "": 1, k: 1e3, M: 1e6, G: 1e9 };
  const key = (cell) => {
    const text = cell.textContent.trim();
    const found = number.exec(text);
    if (!found) return text === "-" ? null : text;
    return sizes[found[2]] * Number(found[1].replace(/,/g, "").replace("\u2212", "-"));
  };
  const order = (one, other) => {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), "en", { numeric: true });
  };
  const sort = (table, at) => {
    const head = table.tHead.rows[0].cells;
    const turn = head[at].ariaSort === "ascending" ? -1 : 1;
    for (const cell of head) cell.removeAttribute("aria-sort");
    head[at].setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [key(row.cells[at]), row]);
    rows.sort(([one], [other]) =>
      one === null || other === null ? order(one, other) : turn * order(one, other));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of all("table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    Array.from(table.tHead.rows[0].cells, (cell, at) => {
      const made = button("sort", cell.textContent, () => sort(table, at));
      cell.replaceChildren(made);
    });
  }

  // Filters, kept in the address: #state=...&request=...&column=...&word=...&at=FOLD
  const forms = all(".filters");
  const names = ["state", "request", "column", "word"];
  const wanted = () => new URLSearchParams(location.hash.slice(1));
  const write = (asked) => {
    for (const [name, value] of Array.from(asked)) if (!value) asked.delete(name);
    history.replaceState(null, "", "#" + asked);
  };
  const open = (id) => {
    const fold = id && document.getElementById(id);
    if (!fold) return;
    for (let each = fold; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    fold.scrollIntoView();
    fold.querySelector("summary")?.focus({ preventScroll: true });
  };
  const fits = (asked, name, value) => !asked.get(name) || asked.get(name) === value;
  const filter = () => {
    const asked = wanted();
    for (const row of all("tr[data-state]")) {
      let shown = false;
      for (const cell of all("td", row)) {
        cell.hidden = !fits(asked, "column", cell.dataset.column);
        const is = fits(asked, "word", cell.dataset.word);
        cell.classList.toggle("dim", !is);
        shown ||= is && !cell.hidden;
      }
      row.hidden = !shown || !fits(asked, "state", row.dataset.state) || !fits(asked, "request", row.dataset.request);
      const fold = row.closest("details.quiet");
      if (fold && !row.hidden && names.some((name) => asked.get(name))) fold.open = true;
    }
    for (const place of all(".mapped")) {
      const rows = all("tr[data-state]", place);
      const shown = rows.filter((row) => !row.hidden).length;
      const text = names.some((name) => asked.get(name)) ? shown + " of " + rows.length + " places fit" : "";
      place.querySelector(".fitting").textContent = text;
      for (const part of all(".scroll, .quiet", place)) {
        part.hidden = all("tr[data-state]", part).every((row) => row.hidden);
      }
    }
    for (const cell of all("th[data-column]")) cell.hidden = !fits(asked, "column", cell.dataset.column);
    for (const fold of all("details[data-state]")) {
      fold.hidden = !fits(asked, "state", fold.dataset.state) || !fits(asked, "request", fold.dataset.request);
    }
    for (const form of forms) for (const name of names) if (form.elements[name]) form.elements[name].value = asked.get(name) ?? "";
  };
  const follow = () => {
    const asked = wanted();
    filter();
    // Of a plain #FOLD its name is the one that the filters read.
    open(asked.get("at") || Array.from(asked.keys())[0]);
  };
  for (const form of forms) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => {
      const asked = wanted();
      for (const name of names) asked.set(name, form.elements[name]?.value ?? "");
      write(asked);
      filter();
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      write(new URLSearchParams());
      filter();
    });
  }
  for (const made of all(".open-all")) {
    made.addEventListener("click", () => {
      const folds = all("main details");
      const shut = folds.some((fold) => !fold.open);
      for (const fold of folds) fold.open = shut;
      made.textContent = shut ? "Close all folds" : "Open all folds";
    });
  }
  for (const link of all('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const asked = wanted();
      asked.set("at", link.getAttribute("href").slice(1));
      write(asked);
      open(asked.get("at"));
    });
  }
  addEventListener("hashchange", follow);
  follow();
})();
