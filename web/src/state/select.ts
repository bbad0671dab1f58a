/** Which cells are selected, and which types are shown. */

import { computed, effect, signal } from "@preact/signals";
import type { Column } from "../api/columns";
import { simplify } from "../map/grid";
import { cellFlags } from "../map/flags";
import { panes } from "./panes";
import { client, cellCount, fetchColumn, gridOf, initial, layout, loadLayout, meta, obsColumn, report, say } from "./store";
import { bitmap } from "./bitmap";
import type { SelectionStep } from "./url";
import { place } from "./url";
import { plural } from "../util/format";

/** The filter column ("cell types" in the panel), its codes and the labels that are unticked. */
export const filterName = signal<string | null>(null);
export const filterColumn = computed(() => obsColumn(filterName.value));
export const filterCodes = signal<Column | null>(null);
export const hidden = signal<ReadonlySet<string>>(new Set(initial.hidden));

export const steps = signal<SelectionStep[]>([]);
export const selected = signal<Uint8Array | null>(null);
export const selectedCount = signal(0);
export const selectionBusy = signal(false);
/** Whether cells outside the selection step back. */
export const fade = signal(true);

/** Cells that the interaction lens shows. */
export const lensCells = signal<ReadonlySet<number> | null>(null);

/** The piece of tissue that is shown, by its label, and the codes of all cells; null = all. */
export const sample = signal<string | null>(initial.sample);
const sampleCodes = signal<Column | null>(null);
export const sampleShown = computed(() => {
  const code = meta.value?.samples.indexOf(sample.value ?? "") ?? -1;
  return code >= 0 && sampleCodes.value ? { codes: sampleCodes.value.values, shown: code } : null;
});

/** Cells that are drawn: those of the piece of tissue that is shown. */
export const drawnCount = computed(() => {
  const own = obsColumn(meta.value?.sample_column ?? null)?.counts?.[sampleShown.value?.shown ?? -1];
  return own ?? cellCount.value;
});

const MOST_VERTICES = 64;
/** More than anybody draws; a link to more would say nothing of the selection rather than something wrong. */
const MOST_STEPS = 100;

export function startSelection(): void {
  effect(() => {
    const name = filterName.value;
    filterCodes.value = null;
    if (!name || !meta.value) return;
    fetchColumn({ kind: "obs", name }).then((column) => {
      if (filterName.peek() === name) filterCodes.value = column;
    }, report);
  });
  effect(() => {
    const name = meta.value?.sample_column;
    const data = meta.value?.dataset;
    sampleCodes.value = null;
    if (!name || !sample.value) return;
    fetchColumn({ kind: "obs", name }).then((column) => {
      if (meta.peek()?.dataset === data) sampleCodes.value = column;
    }, report);
  });
}

/** 1 for each category that is shown; null when all are. */
const shownCodes = computed<Uint8Array | null>(() => {
  const column = filterColumn.value;
  if (!column?.categories || hidden.value.size === 0) return null;
  return Uint8Array.from(column.categories, (label) => (hidden.value.has(label) ? 0 : 1));
});

let plain = new Uint8Array();

/** One array as long as nothing is dimmed, so that nothing is uploaded again. */
export const flags = computed(() => {
  const n = cellCount.value;
  if (plain.length !== n) plain = new Uint8Array(n);
  const marks = fade.value ? selected.value : null;
  if (!marks && !shownCodes.value && !lensCells.value && !sampleShown.value) return plain;
  const codes = filterCodes.value?.values ?? null;
  return cellFlags({ n, selected: marks, codes, shown: shownCodes.value, lens: lensCells.value, sample: sampleShown.value });
});

export function toggleType(label: string): void {
  const next = new Set(hidden.value);
  if (!next.delete(label)) next.add(label);
  hidden.value = next;
}

export function onlyType(label: string): void {
  const labels = filterColumn.value?.categories ?? [];
  const alone = labels.every((l) => (l === label) !== hidden.value.has(l));
  hidden.value = alone ? new Set() : new Set(labels.filter((l) => l !== label));
}

/** Cells of each category of the filter column in the piece of tissue that is shown. */
export const drawnByType = computed<ArrayLike<number>>(() => {
  const one = sampleShown.value;
  const codes = filterCodes.value?.values;
  const labels = filterColumn.value?.categories ?? [];
  if (!one || !codes) return filterColumn.value?.counts ?? [];
  const counts = new Uint32Array(labels.length);
  for (let i = 0; i < codes.length; i++) if (one.codes[i] === one.shown && codes[i]! < counts.length) counts[codes[i]!]!++;
  return counts;
});

async function cellsOf(step: Exclude<SelectionStep, { kind: "inverse" }>, n: number): Promise<Uint8Array> {
  const marks = new Uint8Array(n);
  if (step.kind === "polygon") {
    const { points } = await loadLayout(step.layout);
    gridOf(points).inside(step.points, marks);
    for (const label of step.without?.labels ?? []) await mark(marks, step.without!.column, label, 0);
  } else await mark(marks, step.column, step.category, 1);
  if (step.sample) await keep(marks, step.sample.column, step.sample.label);
  return marks;
}

/** Sets the marks of a category's cells. */
async function mark(marks: Uint8Array, column: string, category: string, to: 0 | 1): Promise<void> {
  const code = obsColumn(column)?.categories?.indexOf(category) ?? -1;
  const { values } = await fetchColumn({ kind: "obs", name: column });
  for (let i = 0; i < marks.length; i++) if (values[i] === code) marks[i] = to;
}

/** Takes the marks away from cells of other categories. */
async function keep(marks: Uint8Array, column: string, category: string): Promise<void> {
  const code = obsColumn(column)?.categories?.indexOf(category) ?? -1;
  const { values } = await fetchColumn({ kind: "obs", name: column });
  for (let i = 0; i < marks.length; i++) if (values[i] !== code) marks[i] = 0;
}

/** The piece of tissue that an outline drawn now is about. */
export function sampleNow(): { column: string; label: string } | null {
  const column = meta.value?.sample_column;
  return column && sample.value ? { column, label: sample.value } : null;
}

/** What an outline drawn now leaves out. */
export function withoutNow(): { column: string; labels: string[] } | null {
  return filterName.value && hidden.value.size ? { column: filterName.value, labels: [...hidden.value] } : null;
}

function combine(old: Uint8Array | null, marks: Uint8Array, op: "set" | "add" | "take"): Uint8Array {
  if (op === "set" || !old) return op === "take" ? new Uint8Array(marks.length) : marks;
  const next = new Uint8Array(old);
  for (let i = 0; i < next.length; i++) if (marks[i]) next[i] = op === "add" ? 1 : 0;
  return next;
}

function accept(marks: Uint8Array | null): void {
  let total = 0;
  if (marks) for (let i = 0; i < marks.length; i++) total += marks[i]!;
  selectedCount.value = total;
  selected.value = total ? marks : null;
}

async function inverse(old: Uint8Array | null, within: SelectionStep["sample"]): Promise<Uint8Array> {
  const next = new Uint8Array(cellCount.value);
  for (let i = 0; i < next.length; i++) next[i] = old?.[i] ? 0 : 1;
  if (within) await keep(next, within.column, within.label);
  return next;
}

/** Adds a step to what makes the selection; `before`: whether there was one, of which no steps are known after too many. */
function remember(step: SelectionStep, before: boolean): SelectionStep[] {
  if (!selected.value) return [];
  if (step.kind !== "inverse" && step.op === "set") return [step];
  if (before && !steps.value.length) return [];
  const all = [...steps.value, step];
  return all.length > MOST_STEPS ? [] : all;
}

export async function applyStep(step: SelectionStep): Promise<void> {
  selectionBusy.value = true;
  try {
    if (step.kind === "polygon") {
      // as exact as the address can say it, so that a link selects the same cells
      const points = simplify(step.points, MOST_VERTICES).map(([x, y]): [number, number] => [place(x), place(y)]);
      step = { ...step, points };
    }
    const before = selected.value !== null;
    if (step.kind === "inverse") accept(await inverse(selected.value, step.sample));
    else accept(combine(selected.value, await cellsOf(step, cellCount.value), step.op));
    say(`${plural(selectedCount.value, "cell")} selected`);
    fade.value = true;
    steps.value = remember(step, before);
  } catch (error) {
    report(error);
  } finally {
    selectionBusy.value = false;
  }
}

/** Selects again what a link tells; over the change of a perturbation nothing steps back. */
export async function replay(list: readonly SelectionStep[]): Promise<void> {
  for (const step of list) await applyStep(step);
  fade.value = panes.a.spec.value?.kind !== "delta";
}

/** Outlines that the selection was drawn with on the layout that is shown, where they alone tell where it lies. */
export const outlines = computed(() => {
  if (!selected.value || fade.value) return [];
  return steps.value.flatMap((step) =>
    step.kind === "polygon" && step.layout === layout.value ? [{ points: step.points, taken: step.op === "take" }] : [],
  );
});

export function clearSelection(): void {
  steps.value = [];
  accept(null);
}

export function invertSelection(): void {
  if (selected.value) void applyStep({ kind: "inverse", sample: sampleNow() });
}

let sent = new WeakMap<Uint8Array, Promise<string>>();

/** A server that was started again knows none of the selections that were sent before. */
export function forgetSent(): void {
  sent = new WeakMap();
}

/** The server's id of the present selection. */
export function selectionId(): Promise<string> {
  const marks = selected.value;
  if (!marks) return Promise.reject(new Error("No cell is selected: draw a box or a lasso first."));
  let id = sent.get(marks);
  if (!id) {
    id = client.select(bitmap(marks)).then((answer) => answer.id);
    id.catch(() => sent.delete(marks));
    sent.set(marks, id);
  }
  return id;
}

/** Selected cells by category of the filter column, most frequent first. */
export const selectedByType = computed(() => {
  const marks = selected.value;
  const codes = filterCodes.value?.values;
  const labels = filterColumn.value?.categories;
  if (!marks || !codes || !labels) return [];
  const counts = new Uint32Array(labels.length);
  for (let i = 0; i < marks.length; i++) if (marks[i] && codes[i]! < labels.length) counts[codes[i]!]!++;
  return labels
    .map((label, code) => ({ label, code, n: counts[code]! }))
    .filter((row) => row.n > 0)
    .sort((x, y) => y.n - x.n);
});
