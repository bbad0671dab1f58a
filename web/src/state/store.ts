/** The page's state: signals that panels read and actions write. */

import { computed, signal } from "@preact/signals";
import { ApiError, Client, tabSession } from "../api/client";
import type { Column } from "../api/columns";
import type { CellFacts, Meta, ObsColumn } from "../api/types";
import type { Theme } from "../colour/maps";
import { PointGrid } from "../map/grid";
import type { Tiling } from "../map/tiles";
import { sampleBounds, tile } from "../map/tiles";
import type { Bounds, Camera, Frame } from "../map/world";
import { frameOf, toWorld, worldBounds } from "../map/world";
import { fromHash } from "./url";

/** Another page that holds this one says where the server is; normally it is where the page comes from. */
const base = document.querySelector<HTMLMetaElement>('meta[name="spacetravlr-api"]')?.content ?? "";
export const client = new Client(base, tabSession());

export type Status = "loading" | "ready" | "empty" | "failed";
export const status = signal<Status>("loading");
export const failure = signal("");
export const meta = signal<Meta | null>(null);

/** What the address bar asked for; the session's token, if one is there, never becomes part of it. */
export const initial = fromHash(location.hash);

export const layout = signal<string>("spatial");
export const split = signal(initial.split);
export const flip = signal(initial.flip);
export const pointFactor = signal(initial.size);
export const stretch = signal(initial.stretch);
const home: Camera = { x: 0, y: 0, zoom: 0 };
/** Where the views look; the same object as `fitted` as long as nobody has moved them. */
export const camera = signal(home);
export const fitted = signal(home);
export const viewSize = signal({ width: 0, height: 0 });

export type Tool = "pan" | "box" | "lasso";
export const tool = signal<Tool>("pan");

export const hovered = signal(-1);
/** Where the pointer is, in pixels of the stage, and over which pane. */
export const pointer = signal<{ x: number; y: number; pane: "a" | "b" } | null>(null);
export const pinned = signal(-1);
export const pinnedFacts = signal<CellFacts | null>(null);

let asked = 0;

/** Takes a cell, or with -1 none. */
export function pin(cell: number): void {
  pinned.value = cell;
  const turn = ++asked;
  pinnedFacts.value = null;
  if (cell < 0) return;
  client.cell(cell).then((facts) => {
    if (turn === asked) pinnedFacts.value = facts;
  }, report);
}

export interface Notice {
  kind: "info" | "error";
  text: string;
}
export const notice = signal<Notice | null>(null);
let noticeTimer = 0;

export function tell(text: string, kind: Notice["kind"] = "info"): void {
  notice.value = { kind, text };
  clearTimeout(noticeTimer);
  if (kind === "info") noticeTimer = window.setTimeout(() => (notice.value = null), 6000);
}

/** Whether the server is away; the page says so as long as it is. */
export const offline = signal(false);

export function report(error: unknown): void {
  if (offline.peek() && error instanceof ApiError && error.code === "unreachable") return;
  if (error instanceof DOMException && error.name === "AbortError") return;
  tell(error instanceof Error ? error.message : String(error), "error");
}

/** What those are told who do not see the page; it never takes the focus. */
export const spoken = signal("");

export function say(text: string): void {
  spoken.value = text;
}

const storedTheme = (() => {
  try {
    return localStorage.getItem("stl.theme");
  } catch {
    return null;
  }
})();
const systemDark = matchMedia("(prefers-color-scheme: dark)").matches;
export const theme = signal<Theme>(
  storedTheme === "light" || storedTheme === "dark" ? storedTheme : systemDark ? "dark" : "light",
);

export function setTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem("stl.theme", next);
  } catch {
    // refused storage: the choice lasts as long as the page
  }
}

/** A layout as the map draws it. */
export interface LayoutPoints {
  name: string;
  frame: Frame;
  points: Float32Array;
  /** Of all cells, in world units. */
  bounds: Bounds;
  /** Extent of each piece of tissue in world units, where there are several. */
  pieces: { label: string; bounds: Bounds }[];
  /** Whether pieces of tissue are drawn elsewhere than where their coordinates say. */
  moved: boolean;
}
export const layouts = signal<ReadonlyMap<string, LayoutPoints>>(new Map());
export const currentLayout = computed(() => layouts.value.get(layout.value) ?? null);

const grids = new WeakMap<Float32Array, PointGrid>();
export function gridOf(points: Float32Array): PointGrid {
  let grid = grids.get(points);
  if (!grid) {
    grid = new PointGrid(points);
    grids.set(points, grid);
  }
  return grid;
}

export async function loadLayout(name: string): Promise<LayoutPoints> {
  const known = layouts.value.get(name);
  if (known) return known;
  const facts = meta.value?.embeddings.find((e) => e.name === name);
  if (!facts) throw new Error(`The sample has no layout "${name}".`);
  const [column, codes] = await Promise.all([
    client.column({ kind: "obsm", name, dtype: "f32" }),
    isSpatial(name) ? samplesOfCells() : null,
  ]);
  const { values, n, ncomp } = column;
  const labels = meta.value?.samples ?? [];
  const tiling: Tiling | null = codes && tile(sampleBounds(values, ncomp, codes, labels.length));
  const frame = frameOf(tiling?.bounds ?? facts.bounds);
  const shift = codes && tiling?.moved ? { codes, by: tiling.tiles } : undefined;
  const loaded: LayoutPoints = {
    name,
    frame,
    points: toWorld(values, n, ncomp, frame, shift),
    bounds: worldBounds(tiling?.bounds ?? facts.bounds, frame),
    pieces: (tiling?.tiles ?? []).flatMap((one, code) =>
      one ? [{ label: labels[code] ?? "no sample", bounds: worldBounds(one.bounds, frame) }] : [],
    ),
    moved: shift !== undefined,
  };
  layouts.value = new Map(layouts.value).set(name, loaded);
  return loaded;
}

/** Whether places of a layout are places in the tissue. */
export function isSpatial(name: string): boolean {
  return name === meta.value?.embeddings[0]?.name && !name.includes("umap");
}

/** The code of each cell's piece of tissue; null where there is only one. */
async function samplesOfCells(): Promise<ArrayLike<number> | null> {
  const name = meta.value?.sample_column;
  if (!name || (meta.value?.samples.length ?? 0) < 2) return null;
  return (await fetchColumn({ kind: "obs", name })).values;
}

export const cellCount = computed(() => meta.value?.n_obs ?? 0);

export function obsColumn(name: string | null): ObsColumn | null {
  return meta.value?.obs.find((o) => o.name === name) ?? null;
}

export const categoricalColumns = computed(() => meta.value?.obs.filter((o) => o.kind === "categorical") ?? []);

/** Columns by address, the latest ones kept. */
const CACHE_BYTES = 256e6;
const columnCache = new Map<string, Promise<Column>>();
const columnSizes = new Map<string, number>();

export function fetchColumn(query: Parameters<Client["column"]>[0]): Promise<Column> {
  const key = `${client.dataset}|${JSON.stringify(query)}`;
  const known = columnCache.get(key);
  if (known) {
    columnCache.delete(key);
    columnCache.set(key, known);
    return known;
  }
  const loading = client.column(query).then((column) => {
    columnSizes.set(key, column.values.byteLength);
    trimCache();
    return column;
  });
  loading.catch(() => columnCache.delete(key));
  columnCache.set(key, loading);
  return loading;
}

function trimCache(): void {
  let total = 0;
  for (const size of columnSizes.values()) total += size;
  for (const key of columnCache.keys()) {
    if (total <= CACHE_BYTES) return;
    total -= columnSizes.get(key) ?? 0;
    columnSizes.delete(key);
    columnCache.delete(key);
  }
}

export function forgetColumns(): void {
  columnCache.clear();
  columnSizes.clear();
}
