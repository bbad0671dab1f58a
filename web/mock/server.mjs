/** A small stand-in for the viewer's server with a synthetic tissue, for work on the page without Python.
 * Usage: node mock/server.mjs [--port 8091] [--cells 20000] [--static ../src/spacetravlr/viewer/static] */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { tissue } from "./tissue.mjs";

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at > 0 ? process.argv[at + 1] : fallback;
};
const PORT = Number(option("port", "8091"));
const STATIC = option("static", new URL("../../src/spacetravlr/viewer/static", import.meta.url).pathname);
const t = tissue(Number(option("cells", "20000")));

const jobs = new Map();
const selections = new Map();

class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

function block(values, { ncomp = 1, categorical = false, lo = 0, hi = 1, unmatched = 0 } = {}) {
  const dtype = values instanceof Float32Array ? 0 : values instanceof Uint8Array ? 2 : 3;
  const raw = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const head = Buffer.alloc(32);
  head.write("STLC", 0, "latin1");
  head.writeUInt16LE(1, 4);
  head.writeUInt8(dtype, 6);
  head.writeUInt8(categorical ? 1 : 0, 7);
  head.writeBigUInt64LE(BigInt(values.length / ncomp), 8);
  head.writeUInt32LE(ncomp, 16);
  head.writeFloatLE(lo, 20);
  head.writeFloatLE(hi, 24);
  head.writeUInt32LE(unmatched, 28);
  return Buffer.concat([head, raw, Buffer.alloc((8 - (raw.length % 8)) % 8)]);
}

function numeric(values, dtype) {
  let [lo, hi, unmatched] = [Infinity, -Infinity, 0];
  for (const v of values) {
    if (Number.isNaN(v)) unmatched++;
    else {
      if (v < lo) lo = v;
      if (v > hi) hi = v;
    }
  }
  if (dtype !== "u8") return block(values, { lo, hi, unmatched });
  const bytes = Uint8Array.from(values, (v) => (Number.isNaN(v) ? 255 : hi > lo ? Math.round(((v - lo) / (hi - lo)) * 254) : 0));
  return block(bytes, { lo, hi, unmatched });
}

function column(kind, name, query) {
  if (kind === "obsm") {
    const e = t.embeddings[name];
    if (!e) throw new Problem(404, "unknown_embedding", `No embedding "${name}".`);
    return block(e, { ncomp: 2 });
  }
  if (kind === "obs") {
    if (name === "cell_type") return block(t.type, { categorical: true });
    if (name === "cluster") return block(t.type, { categorical: true });
    if (name === "n_counts") return numeric(t.counts, query.get("dtype"));
    throw new Problem(404, "unknown_column", `No obs column "${name}".`);
  }
  if (kind === "expr" || kind === "received") {
    if (!t.genes.includes(name)) throw new Problem(404, "unknown_gene", `"${name}" is not a gene of this dataset.`);
    return numeric(t.expression(name), query.get("dtype"));
  }
  if (kind === "beta") return numeric(t.beta(name, query.get("column")), query.get("dtype"));
  const job = jobs.get(query.get("job"));
  if (!job) throw new Problem(404, "unknown_job", "This perturbation has ended; run it again.");
  return numeric(t.delta(name, job), query.get("dtype"));
}

const meta = () => ({
  dataset: `mock-${t.n}`,
  title: "synthetic spleen",
  n_obs: t.n,
  n_vars: t.genes.length,
  layers: ["imputed_count", "X"],
  layer: "imputed_count",
  embeddings: Object.keys(t.embeddings).map((name) => ({ name, dims: 2, bounds: t.bounds[name] })),
  unit: { um_per_unit: 1, radius: 120, contact_distance: 30 },
  obs: [
    { name: "cell_type", kind: "categorical", categories: t.types, counts: t.typeCounts },
    { name: "cluster", kind: "categorical", categories: t.types.map((_, i) => String(i)), counts: t.typeCounts },
    { name: "n_counts", kind: "numeric" },
  ],
  cluster_column: "cluster",
  cell_type_column: "cell_type",
  samples: [],
  network: { loaded: true, species: "mouse" },
  run: { name: "mock run", genes: 12, row_label: "cluster", n_propagation: 4, partial: false },
  perturb: { state: "ready", progress: 1, label: "", message: null },
  columns_ready: true,
  limits: { max_cells_field: 40000, max_genes_batch: 50 },
  version: "mock",
});

function view({ timer: _timer, body: _body, listeners: _listeners, ...job }) {
  return job;
}

function startJob(body) {
  const id = Math.random().toString(16).slice(2, 10);
  const title =
    body.kind === "perturb"
      ? body.targets.map((x) => (x.dose === "0" ? `${x.gene} knock-out` : `${x.gene} ${x.dose}`)).join(" + ")
      : `Arrows on ${body.embedding}`;
  if (body.kind === "perturb") {
    for (const { gene } of body.targets) {
      if (!t.genes.includes(gene)) throw new Problem(404, "unknown_gene", `"${gene}" is not a gene of this dataset.`);
    }
  }
  const job = { id, kind: body.kind, state: "running", progress: 0, step: "starting", message: null, title };
  Object.assign(job, { created: Date.now() / 1000, seconds: 0, body, listeners: new Set() });
  const tell = (event) => job.listeners.forEach((send) => send(event, view(job)));
  job.end = (state) => {
    clearInterval(job.timer);
    Object.assign(job, { state, progress: state === "done" ? 1 : job.progress });
    tell("end");
  };
  job.timer = setInterval(() => {
    job.progress = Math.min(job.progress + 0.08, 1);
    job.seconds += 0.15;
    job.step = `step ${Math.ceil(job.progress * 4)} of 4`;
    if (job.progress >= 1) job.end("done");
    else tell("progress");
  }, 150);
  jobs.set(id, job);
  return { id };
}

function result(job) {
  const targets = job.body.targets;
  const top = t.genes.slice(0, 40).map((gene, i) => {
    const mean = targets.some((x) => x.gene === gene) ? -1.8 : (Math.sin(i * 1.7) * 0.4) / (1 + i * 0.3);
    return { gene, mean_delta: mean, max_abs_delta: Math.abs(mean) * 3.1, direction: mean > 0 ? "up" : "down" };
  });
  top.sort((a, b) => b.max_abs_delta - a.max_abs_delta);
  return {
    targets,
    scope: job.body.scope,
    n_cells_perturbed: t.n,
    n_propagation: job.body.n_propagation,
    notes: ["The mock's numbers mean nothing."],
    steps: [4.1, 2.2, 1.3, 0.9],
    genes_changed: 31,
    top,
  };
}

function field(job) {
  const [x0, y0, x1, y1] = t.bounds[job.body.embedding] ?? t.bounds.umap;
  const [positions, vectors] = [[], []];
  const step = (x1 - x0) / 24;
  for (let x = x0; x <= x1; x += step) {
    for (let y = y0; y <= y1; y += step) {
      positions.push(x, y);
      vectors.push(Math.cos(y / step / 4) * step * 0.8, Math.sin(x / step / 4) * step * 0.8);
    }
  }
  return Buffer.concat([
    block(Float32Array.from(positions), { ncomp: 2 }),
    block(Float32Array.from(vectors), { ncomp: 2 }),
  ]);
}

function context(body) {
  const e = t.embeddings.spatial;
  const found = [];
  for (let i = 0; i < t.n; i++) {
    if (i === body.cell) continue;
    const d = Math.hypot(e[2 * i] - e[2 * body.cell], e[2 * i + 1] - e[2 * body.cell + 1]);
    if (body.mode === "knn" || d <= body.radius) found.push({ index: i, distance: d });
  }
  found.sort((a, b) => a.distance - b.distance);
  const chosen = found.slice(0, body.mode === "knn" ? body.neighbours : 500);
  return {
    gene: body.gene,
    cell: body.cell,
    n_in_query: chosen.length,
    neighbours: chosen.map((c, k) => ({
      ...c,
      cell_type: t.types[t.type[c.index]],
      edges: Array.from({ length: k % 4 }, (_, j) => ({
        ligand: ["Cxcl13", "Tgfb1", "Ccl19"][j],
        receptor: ["Cxcr5", "Tgfbr1", "Ccr7"][j],
        ligand_expr: 1.2,
        receptor_expr: 0.7,
        support: (2 - j * 0.5) / (1 + k * 0.05),
        beta: j ? 0.03 : null,
        tf: j ? "Foxo1" : null,
        tf_expr: j ? 0.9 : null,
      })),
    })),
  };
}

const json = (response, body, status = 200) => {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
};
const binary = (response, body, headers = {}) => {
  response.writeHead(200, { "Content-Type": "application/octet-stream", ...headers });
  response.end(body);
};

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function jobOf(id) {
  const job = jobs.get(id);
  if (!job) throw new Problem(404, "unknown_job", "This job is not known any more.");
  return job;
}

function events(response, job) {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const send = (event, data) => {
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (event === "end") response.end();
  };
  if (["done", "cancelled", "failed"].includes(job.state)) send("end", view(job));
  else job.listeners.add(send);
}

async function api(request, response, url) {
  const parts = url.pathname.slice("/api/v2/".length).split("/").map(decodeURIComponent);
  const [a, b, c] = parts;
  const query = url.searchParams;
  const { method } = request;
  if (a === "meta") return json(response, meta());
  if (a === "genes" && !b) {
    const low = (query.get("contains") ?? query.get("prefix") ?? "").toLowerCase();
    const among = query.get("among") === "models" ? t.genes.slice(0, 12) : t.genes;
    const hits = among.filter((g) => g.toLowerCase().includes(low));
    hits.sort((x, y) => Number(y.toLowerCase().startsWith(low)) - Number(x.toLowerCase().startsWith(low)));
    const genes = hits.slice(0, Number(query.get("limit") ?? 50)).map((name) => ({ name, has_model: t.genes.indexOf(name) < 12 }));
    return json(response, { total: hits.length, genes });
  }
  if (a === "genes") return json(response, t.geneColumns(b));
  if (a === "columns") return binary(response, column(b, c, query), { "Cache-Control": "private, max-age=31536000, immutable" });
  if (a === "cells" && b) return json(response, t.cell(Number(b)));
  if (a === "selections" && method === "POST") {
    const body = await read(request);
    const id = Math.random().toString(16).slice(2, 10);
    selections.set(id, body);
    return json(response, { id, n: body.reduce((n, x) => n + x.toString(2).replace(/0/g, "").length, 0) });
  }
  if (a === "selections") throw new Problem(404, "unknown_selection", "This selection is not known any more.");
  if (a === "cell-context") return json(response, context(JSON.parse((await read(request)).toString())));
  if (a === "interactions") {
    const rows = t.genes.slice(0, 12).flatMap((gene) => t.geneColumns(gene).columns.map((x) => ({ gene, modulator: x.name, kind: x.kind, beta: x.max_abs * (x.name.length % 2 ? 1 : -1), stability: null })));
    rows.sort((x, y) => Math.abs(y.beta) - Math.abs(x.beta));
    return json(response, { rows: rows.slice(0, 400), total: rows.length });
  }
  if (a === "jobs" && !b) {
    if (method === "POST") return json(response, startJob(JSON.parse((await read(request)).toString())), 202);
    return json(response, [...jobs.values()].map(view));
  }
  if (a === "jobs") {
    const job = jobOf(b);
    if (!c && method === "DELETE") {
      if (job.state === "running") job.end("cancelled");
      else jobs.delete(b);
      return json(response, { ok: true });
    }
    if (!c) return json(response, view(job));
    if (c === "events") return events(response, job);
    if (c === "result") return json(response, result(job));
    if (c === "field") return binary(response, field(job), { "X-Field": JSON.stringify({ embedding: job.body.embedding }) });
    if (c === "top") {
      const { top } = result(job);
      return json(response, { groups: t.types.map((label, i) => ({ label, n_cells: t.typeCounts[i], genes: top.slice(i, i + Number(query.get("n") ?? 6)) })) });
    }
    if (c === "rings") return json(response, { unit: "µm", rings: [0, 50, 100, 200, 400].map((from, i) => ({ from, to: from + 50 * 2 ** i, n_cells: 100 * (i + 1), mean_delta: -0.3 / (1 + i), mean_abs_delta: 0.4 / (1 + i) })) });
    if (c === "export") return binary(response, Buffer.from("mock"));
  }
  if (a === "compare") return json(response, { r: 0.42, n_genes: 40, rows: t.genes.slice(0, 20).map((gene, i) => ({ gene, mean_a: Math.sin(i), mean_b: Math.cos(i) })) });
  if (a === "data") return json(response, { roots: [{ name: "data", files: [{ id: "1", name: "tissue.h5ad", kind: "h5ad", size: 12e6 }, { id: "2", name: "run_2026", kind: "run", size: 0 }] }] });
  if (a === "open") return json(response, { dataset: meta().dataset });
  throw new Problem(404, "unknown_route", "There is no such address.");
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
async function page(response, url) {
  const name = normalize(url.pathname === "/" ? "/index.html" : url.pathname);
  const body = await readFile(join(STATIC, name)).catch(() => null);
  response.writeHead(body ? 200 : 404, {
    "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
    "Content-Security-Policy": "default-src 'self'",
  });
  response.end(body ?? "not found");
}

createServer((request, response) => {
  const url = new URL(request.url, `http://127.0.0.1:${PORT}`);
  const work = url.pathname.startsWith("/api/v2/") ? api(request, response, url) : page(response, url);
  work.catch((error) => json(response, { code: error.code ?? "error", message: error.message }, error.status ?? 500));
}).listen(PORT, "127.0.0.1", () => console.log(`mock of ${t.n} cells on http://127.0.0.1:${PORT}`));
