/** Start of the page, and of all data opened in it. */

import { batch } from "@preact/signals";
import { ApiError } from "../api/client";
import type { Meta } from "../api/types";
import { forgetPlaces, hold, startAddress } from "./address";
import { startConnection } from "./connection";
import { current, field, form, jobs, restoreJobs, results, reviewJobs, showDefault } from "./jobs";
import { context, lensForm, lensOn, startLens } from "./lens";
import { panes, resetPanes, retryPanes, startPanes } from "./panes";
import { clearSelection, filterName, forgetSent, hidden, replay, sample, startSelection } from "./select";
import {
  camera,
  client,
  failure,
  fitted,
  forgetColumns,
  initial,
  layout,
  layouts,
  loadLayout,
  meta,
  pinned,
  pinnedFacts,
  report,
  split,
  status,
} from "./store";

/** The token stands in the fragment so that it never reaches a log; it is used once and leaves the address. */
async function useToken(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  await client.login(token);
}

export async function boot(): Promise<void> {
  try {
    await useToken();
    startPanes();
    startSelection();
    startLens();
    startConnection(() => void comeBack().catch(report));
    await openDataset(true);
    startAddress();
  } catch (error) {
    fail(error);
  }
}

/** The server was away; it may have been started again, with other data. */
async function comeBack(): Promise<void> {
  if (status.value === "failed") location.reload();
  if (status.value !== "ready") return;
  const facts = await client.meta();
  if (facts.dataset !== client.dataset) {
    await openDataset(false);
    return;
  }
  meta.value = facts;
  forgetSent();
  await reviewJobs();
  retryPanes();
  watchModel();
}

function fail(error: unknown): void {
  if (error instanceof ApiError && error.status === 503) {
    status.value = "empty";
    return;
  }
  failure.value = error instanceof Error ? error.message : String(error);
  status.value = "failed";
}

/** Reads what is open; the first picture needs only its facts, one layout and one column. */
export async function openDataset(first: boolean): Promise<void> {
  const facts = await client.meta();
  if (!facts.dataset || facts.n_obs === 0) {
    status.value = "empty";
    meta.value = null;
    return;
  }
  if (!first) forget();
  client.dataset = facts.dataset;
  const names = facts.embeddings.map((e) => e.name);
  const wanted = first && initial.layout && names.includes(initial.layout) ? initial.layout : names[0];
  if (!wanted) throw new Error("The sample has neither positions nor an embedding: there is nothing to draw.");
  batch(() => {
    meta.value = facts;
    layout.value = wanted;
    if (!facts.samples.includes(sample.value ?? "")) sample.value = null;
    filterName.value = firstFilter(facts, first ? initial.filter : null);
    if (!(first && initial.perturb)) form.value = { ...form.value, n: facts.run?.n_propagation ?? 4 };
    if (facts.unit.radius && lensForm.value.radius === 120) {
      lensForm.value = { ...lensForm.value, radius: facts.unit.radius };
    }
    if (!panes.a.spec.value || !first) showDefault("a");
    if (first && initial.lens) pinned.value = initial.lens.cell < facts.n_obs ? initial.lens.cell : -1;
  });
  await loadLayout(wanted);
  status.value = "ready";
  if (first && initial.selection.length) void hold(replay(initial.selection));
  void restoreJobs();
  watchModel();
}

function firstFilter(facts: Meta, wanted: string | null): string | null {
  const usable = facts.obs.filter((o) => o.kind === "categorical").map((o) => o.name);
  return [wanted, facts.cell_type_column, facts.cluster_column, ...usable].find((n) => n && usable.includes(n)) ?? null;
}

function forget(): void {
  forgetPlaces();
  batch(() => {
    forgetColumns();
    resetPanes();
    layouts.value = new Map();
    hidden.value = new Set();
    sample.value = null;
    clearSelection();
    pinned.value = -1;
    pinnedFacts.value = null;
    context.value = null;
    lensOn.value = false;
    field.value = null;
    jobs.value = [];
    results.value = new Map();
    current.value = null;
    split.value = false;
    panes.a.spec.value = null;
    panes.b.spec.value = null;
    fitted.value = camera.value;
  });
}

let watching = 0;

/** Asks again while the perturbation model loads in the background. */
function watchModel(): void {
  clearTimeout(watching);
  const state = meta.value?.perturb.state;
  if (state !== "loading" && meta.value?.columns_ready !== false) return;
  watching = window.setTimeout(() => {
    client.meta().then((facts) => {
      if (facts.dataset !== client.dataset) return openDataset(false);
      meta.value = facts;
      watchModel();
      return undefined;
    }, report);
  }, state === "loading" ? 700 : 3000);
}
