"use strict";
(() => {
  // what scrolls sideways can be reached, and so scrolled, with the keyboard
  const room = new ResizeObserver((seen) => {
    for (const { target } of seen) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute("tabindex");
    }
  });
  for (const one of document.querySelectorAll(".scroll, pre")) room.observe(one);

  const source = document.getElementById("spacetravlr-gene-metrics");
  if (!source) return;
  document.getElementById("no-script").remove();
  const data = JSON.parse(source.textContent);
  const total = data.genes.length;
  const PAGE = 100;
  const tones = { "model": "good", "orphan": "warn", "failed": "bad", "at work": "busy", "left behind": "bad", "waiting": "busy" };
  const heads = {
    cluster: "cluster", n_cells: "cells", n_modulators: "offered", n_kept: "kept", r2_in: "R² in", r2_out: "R² out",
    r2_tf_only: "R² TFs only", r2_shuffled: "R² received elsewhere", r2_niche_out: "R² niche network", n_iter: "iterations",
    converged: "converged", kept: "written",
  };
  const $ = (id) => document.getElementById(id);
  const body = $("genes").tBodies[0];
  const text = data.genes.map((gene, i) => `${gene}\n${data.reason[i]}`.toLowerCase());
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  // the place of each name among all names: comparing numbers is much faster than comparing names
  const byName = data.genes.map((_, i) => i).sort((a, b) => collator.compare(data.genes[a], data.genes[b]));
  const place = new Array(total);
  byName.forEach((gene, i) => { place[gene] = i; });
  const keys = {
    gene: place, fate: data.fate, r2_in: data.r2_in, r2_out: data.r2_out, p_space: data.p_space,
    n_modelled: data.n_modelled, n_kept: data.n_kept,
    reason: data.reason.map((one) => one || null),
  };
  let sorted = { key: data.r2_out.some((one) => one !== null) ? "r2_out" : "r2_in", down: true };
  let shown = PAGE;
  let rows = [];

  const make = (name, content, className) => {
    const one = document.createElement(name);
    if (content !== undefined) one.textContent = content;
    if (className) one.className = className;
    return one;
  };
  const number = (value, digits) => value === null ? "–" : value.toFixed(digits).replace(/^-(?=[0.]+$)/, "").replace("-", "−");
  const level = (value) => {
    const cell = make("td", number(value, value !== null && Math.abs(value) < 0.0995 ? 3 : 2), "num level");
    if (value !== null && value > 0) cell.style.setProperty("--part", `${Math.min(100, 100 * value).toFixed(0)}%`);
    return cell;
  };

  function detail(i) {
    const row = make("tr", undefined, "open");
    const cell = make("td");
    cell.colSpan = document.querySelectorAll("#genes thead th").length;
    if (data.reason[i]) cell.append(make("p", data.reason[i]));
    if (data.rows[i].length) {
      const table = make("table");
      const head = table.createTHead().insertRow();
      for (const name of data.columns) {
        const one = make("th", heads[name] || name, name === "cluster" ? "" : "num");
        one.scope = "col";
        head.append(one);
      }
      const inner = table.createTBody();
      for (const values of data.rows[i]) {
        const line = inner.insertRow();
        values.forEach((value, k) => {
          const name = data.columns[k];
          let shownAs = value === null ? "–" : String(value);
          if (name === "cluster") { const label = data.clusters[value]; shownAs = data.names[label] || label; }
          else if (name.startsWith("r2_")) shownAs = number(value, 3);
          else if (value !== null && (name === "kept" || name === "converged")) shownAs = value ? "yes" : "no";
          line.append(make("td", shownAs, name === "cluster" ? "" : "num"));
        });
      }
      cell.append(table);
    } else if (!data.reason[i]) {
      cell.append(make("p", "Nothing is known of its clusters."));
    }
    row.append(cell);
    return row;
  }

  function line(i) {
    const row = make("tr");
    const head = make("th");
    head.scope = "row";
    const button = make("button", data.genes[i], "name");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) row.nextElementSibling.remove(); else row.after(detail(i));
    });
    head.append(button);
    const fate = data.fates[data.fate[i]];
    const status = make("td");
    status.append(make("span", data.words[fate], `fate ${tones[fate]}`));
    row.append(head, status, level(data.r2_in[i]), level(data.r2_out[i]));
    if ($("genes").dataset.places) row.append(make("td", number(data.p_space[i], 3), "num"));
    const of = data.n_clusters[i] === null ? "–" : `${data.n_modelled[i]} of ${data.n_clusters[i]}`;
    const kept = data.n_kept[i] === null ? "–" : String(data.n_kept[i]);
    const offered = data.n_offered[i] === null ? "" : ` of ${data.n_offered[i]}`;
    row.append(make("td", of, "num"), make("td", kept + offered, "num"), make("td", data.reason[i], "why"));
    return row;
  }

  function arrange() {
    const query = $("find").value.trim().toLowerCase();
    const fate = $("fate").value;
    rows = [];
    for (let i = 0; i < total; i++) {
      if (fate !== "" && data.fate[i] !== Number(fate)) continue;
      if (query && !text[i].includes(query)) continue;
      rows.push(i);
    }
    const key = keys[sorted.key];
    const sign = sorted.down ? -1 : 1;
    rows.sort((a, b) => {
      const x = key[a], y = key[b];
      // what is not known comes last, whichever way
      if (x === null || y === null) return x === y ? place[a] - place[b] : x === null ? 1 : -1;
      if (x === y) return place[a] - place[b];
      return sign * (typeof x === "string" ? collator.compare(x, y) : x - y);
    });
  }

  function draw() {
    const part = document.createDocumentFragment();
    for (const i of rows.slice(0, shown)) part.append(line(i));
    body.replaceChildren(part);
    const left = rows.length - Math.min(shown, rows.length);
    const of = rows.length === total ? `${total.toLocaleString("en")} genes` : `${rows.length.toLocaleString("en")} of ${total.toLocaleString("en")} genes`;
    $("count").textContent = left ? `${of}, ${shown.toLocaleString("en")} shown` : of;
    $("more").hidden = $("all").hidden = left === 0;
    $("all").textContent = `Show all ${rows.length.toLocaleString("en")}`;
    for (const head of document.querySelectorAll("#genes thead th[data-key]")) {
      const own = head.dataset.key === sorted.key;
      if (own) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
    }
  }

  function again() { shown = PAGE; arrange(); draw(); $("genes-box").scrollTop = 0; }

  function quoted(value) {
    let one = value === null || value === undefined ? "" : String(value);
    // a spreadsheet must not take a name for a formula
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(one)) one = `'${one}`;
    return /[",\n\r]/.test(one) ? `"${one.replaceAll('"', '""')}"` : one;
  }

  function save() {
    const lines = [["gene", "status", "r2_in", "r2_out", "p_space", "clusters_with_model", "clusters", "modulators_kept", "modulators_offered", "reason"].join(",")];
    for (const i of rows) {
      lines.push([data.genes[i], data.words[data.fates[data.fate[i]]], data.r2_in[i], data.r2_out[i], data.p_space[i], data.n_modelled[i],
        data.n_clusters[i], data.n_kept[i], data.n_offered[i], data.reason[i]].map(quoted).join(","));
    }
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "genes.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  for (const head of document.querySelectorAll("#genes thead th[data-key]")) {
    head.querySelector("button").addEventListener("click", () => {
      const key = head.dataset.key;
      const numbers = key !== "gene" && key !== "reason" && key !== "fate";
      sorted = sorted.key === key ? { key, down: !sorted.down } : { key, down: numbers };
      again();
    });
  }
  let waiting = 0;
  $("find").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(again, 60); });
  $("fate").addEventListener("change", again);
  $("more").addEventListener("click", () => { shown += PAGE; draw(); });
  $("all").addEventListener("click", () => { shown = rows.length; draw(); });
  $("save").addEventListener("click", save);
  again();
})();
