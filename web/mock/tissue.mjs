/** A made-up spleen: follicles of B cells with T zones around them, in a red pulp. */

function random(seed) {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let x = Math.imul(s ^ (s >>> 15), 1 | s);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

const TYPES = ["Follicular B", "Germinal center B", "T CD4", "T CD8", "Macrophage", "Stromal", "Erythroid", "Dendritic", "NK", "Plasma"];
const NAMED = ["Foxo1", "Pax5", "Bcl6", "Gata3", "Cd4", "Cd74", "Cxcl13", "Cxcr5", "Ccl19", "Ccr7", "Tgfb1", "Tgfbr1", "Il2ra", "Mki67", "Hbb-bs"];

export function tissue(n) {
  const rnd = random(7);
  const gauss = () => Math.sqrt(-2 * Math.log(rnd() + 1e-12)) * Math.cos(2 * Math.PI * rnd());
  const genes = [...NAMED, ...Array.from({ length: 485 }, (_, i) => `Gene${i + 1}`)];
  const spatial = new Float32Array(2 * n);
  const umap = new Float32Array(2 * n);
  const type = new Uint8Array(n);
  const typeCounts = TYPES.map(() => 0);
  const follicles = Array.from({ length: 14 }, () => [rnd() * 4000, rnd() * 3000, 200 + rnd() * 250]);
  const counts = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    let x, y;
    do {
      x = rnd() * 4000;
      y = rnd() * 3000;
    } while (((x - 2000) / 2000) ** 2 + ((y - 1500) / 1500) ** 2 > 1);
    const near = Math.min(...follicles.map(([a, b, r]) => Math.hypot(x - a, y - b) / r));
    const p = rnd();
    let k;
    if (near < 0.45) k = p < 0.75 ? 1 : p < 0.9 ? 0 : 7;
    else if (near < 0.9) k = p < 0.8 ? 0 : p < 0.9 ? 7 : 2;
    else if (near < 1.5) k = p < 0.5 ? 2 : p < 0.8 ? 3 : p < 0.9 ? 7 : 5;
    else k = p < 0.35 ? 6 : p < 0.6 ? 4 : p < 0.78 ? 5 : p < 0.88 ? 9 : 8;
    type[i] = k;
    typeCounts[k]++;
    spatial.set([x, y], 2 * i);
    const angle = (k / TYPES.length) * 2 * Math.PI;
    umap.set([8 * Math.cos(angle) + gauss() * 1.4, 8 * Math.sin(angle) + gauss() * 1.4], 2 * i);
    counts[i] = 800 + 4000 * rnd() * rnd();
  }
  const bounds = { spatial: [0, 0, 4000, 3000], umap: [-13, -13, 13, 13] };
  const hash = (text) => [...text].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0, 7);

  const expression = (gene) => {
    const r = random(hash(gene));
    const level = TYPES.map(() => (r() < 0.6 ? 0.1 : 2 + 2 * r()));
    return Float32Array.from(type, (k) => Math.max(0, level[k] * (0.4 + r()) - 0.4));
  };
  const beta = (gene, name) => {
    const r = random(hash(`${gene}${name}`));
    const value = TYPES.map((_, k) => (k % 4 === 3 ? 0 : (r() - 0.5) * 0.2));
    return Float32Array.from(type, (k) => (k === 8 ? NaN : value[k] * (0.7 + 0.6 * r())));
  };
  const delta = (gene, job) => {
    const r = random(hash(`${gene}${job.title}`));
    const sign = job.body.targets.some((x) => x.gene === gene) ? -1 : r() - 0.5;
    const x = expression(gene);
    return x.map((v, i) => v * sign * 0.5 * (0.5 + 0.5 * Math.sin(spatial[2 * i] / 600)));
  };
  const geneColumns = (gene) => {
    const r = random(hash(gene));
    const names = [
      ["Pax5", "tf"], ["Bcl6", "tf"], ["Gata3", "tf"], ["Foxo1", "tf"],
      ["Cxcl13$Cxcr5", "ligand-receptor"], ["Ccl19$Ccr7", "ligand-receptor"], ["Tgfb1$Tgfbr1", "ligand-receptor"],
      ["Cxcl13#Bcl6", "ligand-tf"], ["Tgfb1#Foxo1", "ligand-tf"],
    ];
    return {
      gene,
      columns: [{ name: "beta0", kind: "intercept", max_abs: 1.2 }, ...names.map(([name, kind]) => ({ name, kind, max_abs: r() * 0.1 }))],
      scores: TYPES.slice(0, 5).map((cluster) => ({ cluster, r2_in: 0.3 + 0.4 * r(), r2_out: 0.2 + 0.3 * r(), r2_tf_only: 0.2 * r(), p_space: 0.01 })),
    };
  };
  const cell = (index) => ({
    index,
    name: `cell_${String(index).padStart(6, "0")}`,
    cell_type: TYPES[type[index]],
    cluster: String(type[index]),
    xy: [spatial[2 * index], spatial[2 * index + 1]],
    obs: { cell_type: TYPES[type[index]], cluster: String(type[index]), n_counts: counts[index] },
  });
  return { n, genes, types: TYPES, typeCounts, type, counts, embeddings: { spatial, umap }, bounds, expression, beta, delta, geneColumns, cell };
}
