/** The view in the address: written a moment after it changed, read back when the browser goes to another one. */

import { batch, effect } from "@preact/signals";
import { current, form, readout, results, showDefault } from "./jobs";
import { lensForm, lensOn } from "./lens";
import { panes } from "./panes";
import { clearSelection, filterName, hidden, replay, sample, steps } from "./select";
import {
  camera,
  client,
  fitted,
  flip,
  layout,
  loadLayout,
  meta,
  pin,
  pinned,
  pointFactor,
  report,
  split,
  status,
  stretch,
} from "./store";
import type { PaneState, Shared } from "./url";
import { fromHash, placeText, toHash } from "./url";

const WAIT_MS = 250;

export function viewNow(): Shared {
  const pane = (key: "a" | "b"): PaneState => ({
    spec: panes[key].spec.value,
    map: panes[key].map.value,
    range: panes[key].range.value,
  });
  const lens = lensOn.value && lensForm.value.gene && pinned.value >= 0;
  return {
    layout: layout.value,
    a: pane("a"),
    b: pane("b"),
    split: split.value,
    stretch: stretch.value,
    size: pointFactor.value,
    flip: flip.value,
    camera: camera.value !== fitted.value ? camera.value : null,
    sample: sample.value,
    filter: filterName.value,
    hidden: [...hidden.value],
    selection: steps.value,
    perturb: form.value.targets.some((t) => t.gene) ? form.value : null,
    lens: lens ? { gene: lensForm.value.gene, cell: pinned.value } : null,
  };
}

/** What stands in the address, and the part of it that one goes back to; null until the first view is complete. */
let written = "";
let place: string | null = null;
/** How many views of this page come before the one that is shown. */
let depth = 0;
let timer = 0;
/** Views that are being put together: what they pass through on the way is no view of its own. */
let going = 0;

interface Mark {
  depth: number;
  data: string;
}

/** A page that another one holds adds nothing to the history of that one, and may have no address of its own. */
function write(text: string, isNew: boolean): void {
  const further = isNew && window.parent === window;
  const mark: Mark = { depth: further ? depth + 1 : depth, data: client.dataset };
  try {
    if (further) history.pushState(mark, "", `#${text}`);
    else history.replaceState(mark, "", `#${text}`);
    ({ depth } = mark);
    written = text;
  } catch {
    // then there is no link to this view
  }
}

/** Goes to the view before, or the one after. */
export function travel(by: -1 | 1): void {
  if (window.parent === window && (by > 0 || depth > 0)) history.go(by);
}

function note(): void {
  if (going || status.value !== "ready") return;
  const view = viewNow();
  const [text, here] = [toHash(view), placeText(view)];
  if (text !== written) write(text, place !== null && here !== place);
  place = here;
}

function noteSoon(): void {
  clearTimeout(timer);
  timer = window.setTimeout(note, WAIT_MS);
}

/** While something is being done, the address waits. */
export async function hold(work: Promise<unknown>): Promise<void> {
  going++;
  try {
    await work;
  } finally {
    going--;
    noteSoon();
  }
}

/** Other data: what one goes back to begins anew. */
export function forgetPlaces(): void {
  place = null;
}

export function startAddress(): void {
  // a page that is loaded again has the same views before it
  depth = (history.state as Partial<Mark> | null)?.depth ?? 0;
  effect(() => {
    viewNow();
    noteSoon();
  });
  // a step back or forward, and an address that somebody has typed or pasted
  addEventListener("popstate", (event) => {
    const text = location.hash.slice(1);
    const mark = event.state as Partial<Mark> | null;
    const own = typeof mark?.depth === "number";
    depth = own ? mark.depth! : depth + 1;
    if (text === written) return;
    written = text;
    if (own && mark.data !== client.dataset) noteSoon();
    else hold(goTo(fromHash(text), own)).catch(report);
  });
}

/** Shows a view. A form that is filled in stays as it is when one only goes back. */
async function goTo(view: Shared, own: boolean): Promise<void> {
  const facts = meta.value;
  if (!facts || status.value !== "ready") return;
  const mine = ++turn;
  const names = facts.embeddings.map((e) => e.name);
  const wanted = view.layout && names.includes(view.layout) ? view.layout : names[0]!;
  await loadLayout(wanted);
  if (mine !== turn) return;
  batch(() => {
    layout.value = wanted;
    split.value = view.split;
    stretch.value = view.stretch;
    pointFactor.value = view.size;
    flip.value = view.flip;
    sample.value = view.sample && facts.samples.includes(view.sample) ? view.sample : null;
    if (facts.obs.some((o) => o.kind === "categorical" && o.name === view.filter)) filterName.value = view.filter;
    hidden.value = new Set(view.hidden);
    for (const key of ["a", "b"] as const) takePane(key, view[key]);
    if (!own && view.perturb) form.value = view.perturb;
    lensOn.value = view.lens !== null;
    if (view.lens) lensForm.value = { ...lensForm.value, gene: view.lens.gene };
  });
  if (view.lens && view.lens.cell < facts.n_obs) pin(view.lens.cell);
  camera.value = view.camera ?? fitted.value;
  if (JSON.stringify(view.selection) !== JSON.stringify(steps.value)) {
    clearSelection();
    await replay(view.selection);
  }
  if (mine === turn) place = placeText(viewNow());
}

let turn = 0;

function takePane(key: "a" | "b", { spec, map, range }: PaneState): void {
  const pane = panes[key];
  if (spec) pane.spec.value = spec;
  else if (key === "a") showDefault("a");
  pane.map.value = map;
  pane.range.value = range;
  if (key === "a" && spec?.kind === "delta" && results.value.has(spec.job)) {
    current.value = spec.job;
    readout.value = spec.gene;
  }
}
