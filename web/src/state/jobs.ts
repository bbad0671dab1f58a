/** Perturbations and fields: started on the server, followed, shown. */

import { computed, effect, signal } from "@preact/signals";
import { ApiError } from "../api/client";
import type { Job, PerturbResult, Scope } from "../api/types";
import { reached } from "./connection";
import { activePane, jobTitles, panes, show } from "./panes";
import { fade, selectedCount, selectionId } from "./select";
import { client, initial, meta, report, say, tell } from "./store";
import { percent, plural } from "../util/format";
import type { PerturbForm } from "./url";

export const form = signal<PerturbForm>(
  initial.perturb ?? { targets: [{ gene: "", dose: "0" }], scope: "all", labels: [], n: 4 },
);

export interface FieldForm {
  embedding: string;
  n_neighbors: number;
  temperature: number;
  remove_null: boolean;
  unit_directions: boolean;
  limit_types: string[];
  /** Grid points along the longer side. */
  grid_size: number;
  delta_rescale: number;
  magnitude_threshold: number;
}

export const fieldForm = signal<FieldForm>({
  embedding: "umap",
  n_neighbors: 150,
  temperature: 0.05,
  remove_null: true,
  unit_directions: false,
  limit_types: [],
  grid_size: 48,
  delta_rescale: 1,
  magnitude_threshold: 0,
});

export const arrowStyle = signal({ length: 2.2, width: 1.5, head: 0.3, stride: 1 });

export interface Field {
  job: string;
  embedding: string;
  positions: Float32Array;
  vectors: Float32Array;
}
export const field = signal<Field | null>(null);

export const jobs = signal<readonly Job[]>([]);
export const perturbJobs = computed(() => jobs.value.filter((j) => j.kind === "perturb"));
effect(() => {
  jobTitles.value = new Map(perturbJobs.value.map((job) => [job.id, job.title]));
});
export const running = computed(() => jobs.value.filter((j) => j.state === "queued" || j.state === "running"));

/** The perturbation whose results the panel shows. */
export const current = signal<string | null>(null);
export const results = signal<ReadonlyMap<string, PerturbResult>>(new Map());
export const currentResult = computed(() => (current.value ? (results.value.get(current.value) ?? null) : null));
export const readout = signal("");

function patch(id: string, facts: Partial<Job>): void {
  jobs.value = jobs.value.map((job) => (job.id === id ? { ...job, ...facts } : job));
}

export function formProblem(): string | null {
  const { targets, scope, labels } = form.value;
  const perturb = meta.value?.perturb;
  if (perturb?.state !== "ready") return perturb?.message ?? "The perturbation model is not loaded.";
  if (!targets.some((t) => t.gene)) return "Choose a gene to perturb.";
  if (scope === "selection" && !selectedCount.value) return "Draw a selection first.";
  if ((scope === "cell_type" || scope === "cluster") && !labels.length) return "Tick at least one group of cells.";
  return null;
}

export async function scopeOf(kind: PerturbForm["scope"], labels: string[]): Promise<Scope> {
  switch (kind) {
    case "all":
      return { type: "all" };
    case "selection":
      return { type: "selection", id: await selectionId() };
    case "cell_type":
      return { type: "cell_type", names: labels };
    case "cluster":
      return { type: "cluster", ids: labels };
  }
}

export async function runPerturbation(): Promise<void> {
  const { targets, scope, labels, n } = form.value;
  try {
    const { id } = await client.startJob({
      kind: "perturb",
      targets: targets
        .filter((t) => t.gene)
        .map(({ gene, dose }) => ({ gene, dose: /^[\d.]+$/.test(dose) && dose !== "0" ? Number(dose) : dose })),
      scope: await scopeOf(scope, labels),
      n_propagation: n,
    });
    await adopt(id);
  } catch (error) {
    report(error);
  }
}

export async function runField(): Promise<void> {
  const job = current.value;
  if (!job) return;
  try {
    const { id } = await client.startJob({ kind: "field", job, ...fieldForm.value, vector_scale: 1 });
    await adopt(id);
  } catch (error) {
    report(error);
  }
}

async function adopt(id: string): Promise<void> {
  const job = await client.job(id);
  jobs.value = [...jobs.value.filter((j) => j.id !== id), job];
  await follow(id, true);
}

/** Says how far a job is, at the start and after each quarter: not every step is worth an interruption. */
function listener(id: string): (facts: Partial<Job>) => void {
  let quarter = -1;
  return (facts) => {
    patch(id, facts);
    const job = jobs.value.find((j) => j.id === id);
    if (job?.state !== "running" || Math.floor(job.progress * 4) <= quarter) return;
    quarter = Math.floor(job.progress * 4);
    say(`${job.title}: ${job.step || "running"}, ${percent(job.progress)}`);
  };
}

const GONE = "The server was stopped meanwhile and has forgotten this computation: run it once more.";

/** Waits for the end of a job, also over a time without a server; false if its end cannot be known. */
async function ended(id: string): Promise<boolean> {
  const stop = new AbortController();
  const hear = listener(id);
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      const end = await client.follow(id, hear, stop.signal);
      patch(id, { progress: end.state === "done" ? 1 : (end.progress ?? 0), ...end });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        patch(id, { state: "failed", message: GONE });
        return true;
      }
      if (error instanceof ApiError && error.status >= 400) {
        report(error);
        return false;
      }
      await reached();
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
  patch(id, { state: "failed", message: "The server does not tell how far this computation is: run it once more." });
  return true;
}

/** Follows a job to its end, and shows what came of it. */
async function follow(id: string, fresh: boolean): Promise<void> {
  if (!(await ended(id))) return;
  const job = jobs.value.find((j) => j.id === id);
  if (!job) return;
  if (job.state !== "failed") say(`${job.title}: ${job.state}`);
  if (job.state === "failed") tell(job.message ?? "The computation failed.", "error");
  if (job.state === "done" && fresh) await (job.kind === "perturb" ? present(id) : presentField(id, job));
}

/** Shows a finished perturbation: the change of the gene it moved most apart from the targets. */
export async function present(id: string, pane = activePane.value): Promise<void> {
  try {
    const result = results.value.get(id) ?? (await client.result(id));
    results.value = new Map(results.value).set(id, result);
    current.value = id;
    const targets = new Set(result.targets.map((t) => t.gene));
    const known = result.top.some((row) => row.gene === readout.value);
    if (!known || targets.has(readout.value)) {
      readout.value = result.top.find((row) => !targets.has(row.gene))?.gene ?? result.targets[0]?.gene ?? "";
    }
    fade.value = false;
    say(`${jobTitles.value.get(id) ?? "Perturbation"}: done, ${plural(result.genes_changed, "gene")} changed`);
    if (readout.value) show({ kind: "delta", job: id, gene: readout.value }, pane);
  } catch (error) {
    report(error);
  }
}

export function setReadout(gene: string): void {
  readout.value = gene;
  if (current.value) show({ kind: "delta", job: current.value, gene });
}

async function presentField(id: string, job: Job): Promise<void> {
  try {
    const { positions, vectors, facts } = await client.field(id);
    const embedding = typeof facts["embedding"] === "string" ? facts["embedding"] : fieldForm.value.embedding;
    field.value = { job: id, embedding, positions, vectors };
    if (!vectors.some((v) => v !== 0)) tell(`${job.title}: no arrow is left; lower the threshold or the temperature.`);
  } catch (error) {
    report(error);
  }
}

export async function cancelJob(id: string): Promise<void> {
  try {
    await client.endJob(id);
  } catch (error) {
    report(error);
  }
}

export async function forgetJob(id: string): Promise<void> {
  await cancelJob(id);
  jobs.value = jobs.value.filter((j) => j.id !== id);
  if (current.value === id) current.value = null;
  for (const pane of [panes.a, panes.b]) {
    const spec = pane.spec.value;
    if (spec?.kind === "delta" && spec.job === id) showDefault(pane.key);
  }
}

export function showDefault(key: "a" | "b"): void {
  const facts = meta.value;
  const name = facts?.cell_type_column ?? facts?.cluster_column ?? facts?.obs[0]?.name;
  if (name) show({ kind: "obs", name }, key);
}

/** The oldest first, as they came; the server names the newest first. */
export function inOrder(list: readonly Job[]): readonly Job[] {
  return [...list].sort((a, b) => Number(a.created) - Number(b.created));
}

/** Asks which jobs a server that was away still knows; those that it does not are over. */
export async function reviewJobs(): Promise<void> {
  const known = new Set((await client.jobs()).map((job) => job.id));
  jobs.value = jobs.value.map((job) => (known.has(job.id) ? job : { ...job, state: "failed", message: GONE }));
}

/** Takes up what this tab had started before it was loaded again. */
export async function restoreJobs(): Promise<void> {
  try {
    jobs.value = inOrder(await client.jobs());
    for (const job of running.value) void follow(job.id, true);
    const shown = initial.a.spec;
    const wanted = shown?.kind === "delta" ? shown.job : perturbJobs.value.findLast((j) => j.state === "done")?.id;
    const job = perturbJobs.value.find((j) => j.id === wanted);
    if (job?.state !== "done") return;
    const result = await client.result(job.id);
    results.value = new Map(results.value).set(job.id, result);
    current.value = job.id;
    if (shown?.kind === "delta") readout.value = shown.gene;
    else readout.value = result.top[0]?.gene ?? "";
  } catch (error) {
    report(error);
  }
}
