/** Between the assistant's commands and the state of the page. */

import { openDataset } from "../state/boot";
import { current, currentResult, inOrder, jobs, perturbJobs, readout, results } from "../state/jobs";
import { lensForm } from "../state/lens";
import { panes, show, specTitle, specUnit } from "../state/panes";
import { hidden, selectedCount, selectionId } from "../state/select";
import { client, layout, loadLayout, meta, pinned, pinnedFacts, status, tell } from "../state/store";
import type { Command, Connection } from "./results";
import type { Seen } from "./words";

/** Says where the viewer is; what is fetched afterwards comes from there. */
export function connect(connection: Connection): void {
  client.base = connection.base;
  client.token = connection.token;
  client.session = connection.session;
}

/** Whether the page may fetch from the viewer itself. */
export async function reachable(connection: Connection, milliseconds = 4000): Promise<boolean> {
  try {
    const answer = await fetch(`${connection.base}/api/v2/meta`, {
      headers: { Authorization: `Bearer ${connection.token}`, "X-Session": connection.session },
      signal: AbortSignal.timeout(milliseconds),
    });
    return answer.status !== 401 && answer.status !== 403 && answer.status !== 421;
  } catch {
    // blocked by the host's policy, by the browser's rules for addresses of this machine, or not there
    return false;
  }
}

export async function apply(command: Command): Promise<void> {
  if (status.value === "empty" || command.tool === "open") {
    const facts = await client.meta();
    if (facts.dataset !== client.dataset || status.value !== "ready") await openDataset(status.value !== "ready");
  }
  if (command.tool === "open") return;
  if (command.layout) {
    await loadLayout(command.layout);
    layout.value = command.layout;
  }
  if (command.focus) lensForm.value = { ...lensForm.value, gene: command.focus };
  if (command.spec?.kind === "delta") await takeUp(command.spec.job, command.spec.gene);
  if (command.spec) show(command.spec, "a");
  if (command.message) tell(command.message);
}

/** Makes a perturbation of the assistant one of this page. */
async function takeUp(job: string, gene: string): Promise<void> {
  const [all, result] = await Promise.all([client.jobs(), client.result(job)]);
  jobs.value = inOrder(all);
  results.value = new Map(results.value).set(job, result);
  current.value = job;
  readout.value = gene;
}

export async function seenNow(): Promise<Seen> {
  const facts = meta.value;
  if (!facts) throw new Error("There is nothing to tell: no data are open.");
  const pane = panes.a;
  const spec = pane.spec.value;
  const result = currentResult.value;
  const targets = new Set(result?.targets.map((one) => one.gene));
  const job = current.value;
  return {
    title: facts.title,
    cells: facts.n_obs,
    genes: facts.n_vars,
    layer: facts.layer,
    layout: layout.value,
    colour: spec ? specTitle(spec) : "",
    unit: spec ? specUnit(spec) : "",
    range: pane.shaded.value && pane.shaded.value.form !== "categorical" ? pane.shown.value : null,
    hidden: [...hidden.value],
    selection: selectedCount.value ? { id: await selectionId(), n: selectedCount.value } : null,
    pinned: pinned.value >= 0 ? { index: pinned.value, cellType: pinnedFacts.value?.cell_type ?? null } : null,
    focusGene: lensForm.value.gene,
    perturbation:
      job && result
        ? {
            job,
            title: perturbJobs.value.find((one) => one.id === job)?.title ?? "",
            top: result.top
              .filter((one) => !targets.has(one.gene))
              .slice(0, 8)
              .map((one) => ({ gene: one.gene, mean: one.mean_delta })),
          }
        : null,
  };
}
