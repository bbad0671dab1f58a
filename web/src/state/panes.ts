/** The one or two views: what each shows, its bytes for the GPU, its palette and its colour bar. */

import type { ReadonlySignal, Signal } from "@preact/signals";
import { computed, effect, signal } from "@preact/signals";
import { ApiError } from "../api/client";
import type { Column } from "../api/columns";
import type { MapName } from "../colour/maps";
import type { Range } from "../colour/palette";
import { MISSING_BYTE, categoricalPalette, continuousPalette, stretchedPalette, symmetric } from "../colour/palette";
import { byteCounts, byteQuantile, categoricalBytes, finiteRange, quantise, stretchByCluster } from "../colour/shade";
import type { Order } from "../map/cell-layer";
import { modulator } from "../util/format";
import { steady } from "../util/steady";
import { client, fetchColumn, initial, meta, obsColumn, split, stretch, theme } from "./store";
import type { ColourSpec, PaneState } from "./url";
import { specText } from "./url";

export type PaneKey = "a" | "b";

export interface Shaded {
  spec: ColourSpec;
  column: Column;
  bytes: Uint8Array;
  form: "categorical" | "continuous" | "stretched";
  signed: boolean;
  /** What bytes 0..254 stand for. */
  data: Range;
  counts: Uint32Array;
  unmatched: number;
}

export interface Pane {
  key: PaneKey;
  spec: Signal<ColourSpec | null>;
  map: Signal<MapName | null>;
  range: Signal<Range | null>;
  shaded: Signal<Shaded | null>;
  busy: Signal<boolean>;
  error: Signal<string | null>;
  mapName: ReadonlySignal<MapName>;
  shown: ReadonlySignal<Range>;
  palette: ReadonlySignal<Uint8Array>;
}

/** Whether both views use one range of colours. */
export const sameScale = signal(false);

/** The other view, if its values can share a range with this one's. */
export function comparable(key: PaneKey): Pane | null {
  const [own, other] = key === "a" ? [panes.a, panes.b] : [panes.b, panes.a];
  const [x, y] = [own.shaded.value, other.shaded.value];
  if (!split.value || x?.form !== "continuous" || y?.form !== "continuous" || x.spec.kind !== y.spec.kind) return null;
  return other;
}

/** The change of one gene in two perturbations can only be compared on one scale. */
export function sameReadout(): boolean {
  const [x, y] = [panes.a.spec.value, panes.b.spec.value];
  return x?.kind === "delta" && y?.kind === "delta" && x.gene === y.gene;
}

function sharesScale(key: PaneKey): Pane | null {
  return sameScale.value || sameReadout() ? comparable(key) : null;
}

function makePane(key: PaneKey, from: PaneState): Pane {
  const spec = signal(from.spec);
  const map = signal(from.map);
  const range = signal(from.range);
  const shaded = signal<Shaded | null>(null);
  // on a light page the dark end of viridis would shout where nothing is expressed
  const plain = computed<MapName>(() => (theme.value === "dark" ? "viridis" : "tide"));
  const mapName = computed<MapName>(() => map.value ?? (shaded.value?.signed ? "diverging" : plain.value));
  const wantedRange = (): Range => {
    const now = shaded.value;
    if (!now) return { lo: 0, hi: 1 };
    const other = sharesScale(key);
    const own = range.value ?? other?.range.value;
    if (own) return own;
    const theirs = other?.shaded.value?.data ?? now.data;
    const data = { lo: Math.min(now.data.lo, theirs.lo), hi: Math.max(now.data.hi, theirs.hi) };
    return mapName.value === "diverging" ? symmetric(data) : data;
  };
  // a new object would make a new palette, and with it a frame of the old values
  const shown = steady(wantedRange, (a, b) => a.lo === b.lo && a.hi === b.hi);
  const palette = computed(() => {
    const now = shaded.value;
    if (!now || now.form === "categorical") return categoricalPalette(theme.value);
    if (now.form === "stretched") return stretchedPalette(mapName.value, theme.value);
    return continuousPalette(mapName.value, theme.value, now.data, shown.value);
  });
  return { key, spec, map, range, shaded, busy: signal(false), error: signal(null), mapName, shown, palette };
}

export const panes: Record<PaneKey, Pane> = { a: makePane("a", initial.a), b: makePane("b", initial.b) };
/** The pane that the colour panel edits. */
export const activePane = signal<PaneKey>("a");

const SIGNED = new Set<ColourSpec["kind"]>(["beta", "delta"]);

/** Coefficients by cluster are one value for each cluster: there is nothing to stretch within one. */
export const canStretch = computed(() => meta.value?.run?.row_label === "cell" && meta.value.cluster_column !== null);

async function shade(spec: ColourSpec): Promise<Shaded> {
  const signed = SIGNED.has(spec.kind);
  const clusterColumn = meta.value?.cluster_column;
  if (spec.kind === "beta" && stretch.value && canStretch.value && clusterColumn) {
    const [column, clusters] = await Promise.all([
      fetchColumn({ kind: "beta", name: spec.gene, column: spec.column, dtype: "f32" }),
      fetchColumn({ kind: "obs", name: clusterColumn }),
    ]);
    const { bytes } = stretchByCluster(column.values, clusters.values, true);
    const data = finiteRange(column.values);
    const counts = byteCounts(bytes);
    return { spec, column, bytes, form: "stretched", signed, data, counts, unmatched: column.unmatched };
  }
  const column = await fetchColumn(columnQuery(spec, "u8"));
  if (column.categorical) {
    const bytes = categoricalBytes(column);
    const data = { lo: 0, hi: 254 };
    return { spec, column, bytes, form: "categorical", signed: false, data, counts: byteCounts(bytes), unmatched: 0 };
  }
  const u8 = column.dtype === "u8";
  const data = u8 ? { lo: column.lo, hi: column.hi } : finiteRange(column.values);
  const bytes = u8 ? (column.values as Uint8Array) : quantise(column.values, data);
  return { spec, column, bytes, form: "continuous", signed, data, counts: byteCounts(bytes), unmatched: column.unmatched };
}

function columnQuery(spec: ColourSpec, dtype: "u8" | "f32"): Parameters<typeof fetchColumn>[0] {
  switch (spec.kind) {
    case "obs":
      return obsColumn(spec.name)?.kind === "categorical"
        ? { kind: "obs", name: spec.name }
        : { kind: "obs", name: spec.name, dtype };
    case "expr":
      return { kind: "expr", name: spec.gene, dtype };
    case "beta":
      return { kind: "beta", name: spec.gene, column: spec.column, dtype };
    case "received":
      return { kind: "received", name: spec.gene, matrix: spec.matrix, dtype };
    case "delta":
      return { kind: "delta", name: spec.gene, job: spec.job, dtype };
  }
}

/** Exact values of what a pane shows (the picture itself needs only bytes). */
export function exactValues(spec: ColourSpec): Promise<Column> {
  return fetchColumn(columnQuery(spec, "f32"));
}

/** A link carries what was perturbed, but not what came of it. */
const FORGOTTEN =
  "This perturbation was run in another tab, or has been forgotten. Run it here to see the change: its genes, cells and steps are filled in under Perturb.";

/** Cells without a value: the colours of before would be taken for those of what could not be loaded. */
function blank(spec: ColourSpec): Shaded {
  const n = meta.value?.n_obs ?? 0;
  const bytes = new Uint8Array(n).fill(MISSING_BYTE);
  const data = { lo: 0, hi: 1 };
  const column: Column = { dtype: "u8", categorical: false, n, ncomp: 1, ...data, unmatched: 0, values: bytes };
  return { spec, column, bytes, form: "categorical", signed: false, data, counts: byteCounts(bytes), unmatched: 0 };
}

const turns: Record<PaneKey, number> = { a: 0, b: 0 };

/** Loads a pane's column; a later request makes an earlier one void. */
async function load(pane: Pane, spec: ColourSpec): Promise<void> {
  const turn = ++turns[pane.key];
  pane.busy.value = true;
  pane.error.value = null;
  performance.mark(`recolour-start-${pane.key}`);
  try {
    const shaded = await shade(spec);
    if (turn !== turns[pane.key]) return;
    performance.mark(`recolour-ready-${pane.key}`);
    pane.shaded.value = shaded;
  } catch (error) {
    if (turn !== turns[pane.key]) return;
    pane.shaded.value = blank(spec);
    const unknown = error instanceof ApiError && error.code === "no_such_job";
    pane.error.value = unknown ? FORGOTTEN : error instanceof Error ? error.message : String(error);
  } finally {
    if (turn === turns[pane.key]) pane.busy.value = false;
  }
}

let shownSpec: Record<PaneKey, string> = { a: "", b: "" };

/** Keeps both panes loaded with what their signals ask for. */
export function startPanes(): void {
  for (const pane of [panes.a, panes.b]) {
    effect(() => {
      const spec = pane.spec.value;
      const way = stretch.value;
      if (!meta.value || !spec || (pane.key === "b" && !split.value)) return;
      const text = `${client.dataset}|${specText(spec)}|${spec.kind === "beta" ? way : ""}`;
      if (text === shownSpec[pane.key]) return;
      shownSpec[pane.key] = text;
      void load(pane, spec);
    });
  }
}

/** Asks again for what could not be loaded. */
export function retryPanes(): void {
  for (const pane of [panes.a, panes.b]) if (pane.error.value && pane.spec.value) void load(pane, pane.spec.value);
}

export function resetPanes(): void {
  shownSpec = { a: "", b: "" };
  for (const pane of [panes.a, panes.b]) {
    pane.shaded.value = null;
    pane.error.value = null;
  }
}

/** Shows a quantity in a pane, with its own colour range. */
export function show(spec: ColourSpec, key: PaneKey = activePane.value): void {
  const pane = panes[key];
  const old = pane.spec.value;
  if (old && specText(old) === specText(spec)) return;
  if (!old || SIGNED.has(old.kind) !== SIGNED.has(spec.kind)) pane.map.value = null;
  pane.range.value = null;
  pane.spec.value = spec;
}

/** Clips the upper end (both ends of a signed quantity) at a share of the cells. */
export function clipAt(pane: Pane, share: number): void {
  const now = pane.shaded.value;
  if (!now || now.form !== "continuous") return;
  const at = (q: number) => now.data.lo + (byteQuantile(now.counts, q) / 254) * (now.data.hi - now.data.lo);
  const hi = at(share);
  const lo = now.signed ? at(1 - share) : now.data.lo;
  const range = now.signed ? symmetric({ lo, hi }) : { lo, hi };
  pane.range.value = range.hi > range.lo ? range : null;
}

export function orderOf(now: Shaded | null): Order {
  if (!now || now.form === "categorical") return "file";
  return now.signed ? "extreme" : "high";
}

/** What the perturbations are called, by job. */
export const jobTitles = signal<ReadonlyMap<string, string>>(new Map());

export function specTitle(spec: ColourSpec): string {
  switch (spec.kind) {
    case "obs":
      return spec.name;
    case "expr":
      return spec.gene;
    case "beta":
      return `${modulator(spec.column)} → ${spec.gene}`;
    case "received":
      return `${spec.gene} received`;
    case "delta":
      return `Δ ${spec.gene}`;
  }
}

export function specUnit(spec: ColourSpec): string {
  switch (spec.kind) {
    case "obs":
      return "";
    case "expr":
      return `expression (${meta.value?.layer ?? "layer"})`;
    case "beta":
      return "coefficient β";
    case "received":
      return "expression of the cells around, weighted by distance";
    case "delta":
      return `change of expression${jobTitles.value.has(spec.job) ? `, ${jobTitles.value.get(spec.job)}` : ""}`;
  }
}
