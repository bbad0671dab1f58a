/** What a perturbation did: genes, groups, distance, notes. */

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { EffectRow, JobComparison, PerturbResult, Rings, TopGroups } from "../api/types";
import { current, currentResult, perturbJobs, readout, results, setReadout } from "../state/jobs";
import { panes } from "../state/panes";
import { client, report, split } from "../state/store";
import { save } from "../export/save";
import { lengthUnit } from "../map/scale";
import { Bar, Check, Empty, Section, Segments } from "../ui/parts";
import { count, number, plural, signed } from "../util/format";

type Tab = "genes" | "types" | "rings" | "notes";
const tab = signal<Tab>("genes");
const inScope = signal(false);

/** Loads an answer whenever its key changes; an older answer never replaces a newer one. */
function useAnswer<A>(key: string, ask: () => Promise<A>): A | null {
  const [answer, setAnswer] = useState<{ key: string; value: A } | null>(null);
  useEffect(() => {
    let live = true;
    ask().then((value) => {
      if (live) setAnswer({ key, value });
    }, report);
    return () => {
      live = false;
    };
  }, [key]);
  return answer?.key === key ? answer.value : null;
}

/** Length of a full bar: the targets themselves would leave nothing of the others to see. */
function fullBar(rows: readonly { gene: string; size: number }[], targets: ReadonlySet<string>): number {
  const others = rows.filter((row) => !targets.has(row.gene));
  return Math.max(...(others.length ? others : rows).map((row) => Math.abs(row.size)), 1e-300);
}

function targetsOf(...ids: readonly (string | null)[]): ReadonlySet<string> {
  return new Set(ids.flatMap((id) => results.value.get(id ?? "")?.targets.map((target) => target.gene) ?? []));
}

function Genes({ rows }: { rows: readonly EffectRow[] }) {
  const targets = targetsOf(current.value);
  // of all cells, else of those of a group
  const whole = rows[0]?.max_abs_delta !== undefined;
  const most = fullBar(rows.map(({ gene, mean_delta }) => ({ gene, size: mean_delta })), targets);
  if (rows.length === 0) return <Empty>No gene changes.</Empty>;
  return (
    <table class="effects">
      <thead>
        <tr>
          <th>Gene</th>
          <th aria-label="Mean change as a bar" />
          <th>mean Δ</th>
          <th aria-sort="descending" title={whole ? "The largest change of any cell, up or down" : "The mean size of the change, up or down"}>
            {whole ? "max" : "mean"} |Δ| ▾
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.gene} class={row.gene === readout.value ? "on" : ""}>
            <th scope="row">
              <button class="ghost" aria-pressed={row.gene === readout.value} onClick={() => setReadout(row.gene)}>
                {row.gene}
              </button>
            </th>
            <td>{targets.has(row.gene) ? <small>perturbed</small> : <Bar share={row.mean_delta / most} both />}</td>
            <td>{signed(row.mean_delta)}</td>
            <td>{number(row.max_abs_delta ?? row.mean_abs_delta)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Types({ id }: { id: string }) {
  const answer = useAnswer<TopGroups>(`${id}|${inScope.value}`, () =>
    client.top(id, { by: "cell_type", n: 6, scope_only: inScope.value }),
  );
  return (
    <>
      <Check label="Only cells that were perturbed" checked={inScope.value} onChange={(on) => (inScope.value = on)} />
      {answer ? (
        answer.groups.map((group) => (
          <details class="more group" key={group.label} open={answer.groups.length <= 4}>
            <summary>
              {group.label} <small>{plural(group.n_cells, "cell")}</small>
              <small class="lead">{group.genes.slice(0, 3).map((g) => g.gene).join(", ") || "no change"}</small>
            </summary>
            <Genes rows={group.genes} />
          </details>
        ))
      ) : (
        <Empty>Reading…</Empty>
      )}
    </>
  );
}

function RingChart({ id, gene }: { id: string; gene: string }) {
  const answer = useAnswer<Rings>(`${id}|${gene}`, () => client.rings(id, gene));
  if (!answer) return <Empty>Reading…</Empty>;
  const rings = answer.rings.filter((ring) => ring.n_cells > 0);
  if (rings.length === 0) return <Empty>Every cell was perturbed, so there is no distance to them.</Empty>;
  const most = Math.max(...rings.map((ring) => Math.abs(ring.mean_delta)), 1e-300);
  return (
    <>
      <p class="hint">
        Mean change of <b>{gene}</b> by distance to the perturbed cells ({lengthUnit()})
      </p>
      <table class="effects">
        <thead>
          <tr>
            <th>Distance</th>
            <th aria-label="Mean change as a bar" />
            <th>mean Δ</th>
            <th>cells</th>
          </tr>
        </thead>
        <tbody>
          {rings.map((ring) => (
            <tr key={ring.from}>
              <th scope="row">
                {ring.to === 0 ? "perturbed" : ring.to === null ? `over ${number(ring.from)}` : `${number(ring.from)}–${number(ring.to)}`}
              </th>
              <td>
                <Bar share={ring.mean_delta / most} both />
              </td>
              <td>{signed(ring.mean_delta)}</td>
              <td>{count(ring.n_cells)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Notes({ result }: { result: PerturbResult }) {
  const most = Math.max(...result.steps, 1e-300);
  return (
    <>
      {result.notes.length === 0 && <Empty>Nothing to note.</Empty>}
      <ul class="notes">
        {result.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
      {result.steps.length > 0 && (
        <>
          <p class="hint">Size of the change after each propagation step</p>
          <ul class="rows bars">
            {result.steps.map((size, i) => (
              <li key={i}>
                <span>Step {i + 1}</span>
                <Bar share={size / most} />
                <small>{number(size)}</small>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

const FORMS = [
  ["csv", "table by type (CSV)"],
  ["feather", "every cell (feather)"],
  ["h5ad", "every cell (h5ad)"],
] as const;
const saving = signal("");

function Downloads({ id }: { id: string }) {
  const take = (form: (typeof FORMS)[number][0]) => {
    saving.value = form;
    client
      .exportJob(id, form)
      .then(({ blob, name }) => save(blob, name))
      .catch(report)
      .finally(() => (saving.value = ""));
  };
  return (
    <details class="more">
      <summary>Save the change</summary>
      <div class="buttons">
        {FORMS.map(([form, text]) => (
          <button type="button" class="small" key={form} disabled={saving.value !== ""} onClick={() => take(form)}>
            {saving.value === form ? "Writing…" : text}
          </button>
        ))}
      </div>
    </details>
  );
}

export function ResultPanel() {
  const id = current.value;
  const result = currentResult.value;
  const title = perturbJobs.value.find((job) => job.id === id)?.title ?? "";
  if (!id || !result) return null;
  return (
    <Section name="result" title="Effect" note={title}>
      <p class="fact">
        <b>{count(result.genes_changed)}</b> {result.genes_changed === 1 ? "gene changes" : "genes change"}; {plural(result.n_cells_perturbed, "cell")} perturbed,{" "}
        {plural(result.n_propagation, "step")}
      </p>
      <Segments
        label="Part of the effect"
        value={tab.value}
        options={[
          { key: "genes", text: "Genes" },
          { key: "types", text: "By type" },
          { key: "rings", text: "Distance" },
          { key: "notes", text: result.notes.length ? `Notes (${result.notes.length})` : "Notes" },
        ]}
        onChange={(key) => (tab.value = key)}
      />
      {tab.value === "genes" && <Genes rows={result.top.slice(0, 30)} />}
      {tab.value === "types" && <Types id={id} />}
      {tab.value === "rings" && <RingChart id={id} gene={readout.value} />}
      {tab.value === "notes" && <Notes result={result} />}
      <Downloads id={id} />
    </Section>
  );
}

/** Shown when the two views hold two perturbations. */
export function ComparePanel() {
  const [a, b] = [panes.a.spec.value, panes.b.spec.value];
  if (!split.value || a?.kind !== "delta" || b?.kind !== "delta" || a.job === b.job) return null;
  return <Comparison a={a.job} b={b.job} />;
}

function Comparison({ a, b }: { a: string; b: string }) {
  const answer = useAnswer<JobComparison>(`${a}|${b}`, () => client.compare(a, b));
  if (!answer) return null;
  const rows = answer.rows.slice(0, 20);
  const sizes = rows.flatMap((row) => [row.mean_a, row.mean_b].map((size) => ({ gene: row.gene, size })));
  const most = fullBar(sizes, targetsOf(a, b));
  return (
    <Section name="compare" title="A against B" note={answer.r === null ? "" : `r = ${number(answer.r)}`}>
      <table class="effects">
        <thead>
          <tr>
            <th>Gene</th>
            <th aria-label="A as a bar" />
            <th>mean Δ, A</th>
            <th aria-label="B as a bar" />
            <th>mean Δ, B</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.gene}>
              <th scope="row">
                <button
                  class="ghost"
                  onClick={() => {
                    readout.value = row.gene;
                    panes.a.spec.value = { kind: "delta", job: a, gene: row.gene };
                    panes.b.spec.value = { kind: "delta", job: b, gene: row.gene };
                  }}
                >
                  {row.gene}
                </button>
              </th>
              <td>
                <Bar share={row.mean_a / most} both />
              </td>
              <td>{signed(row.mean_a)}</td>
              <td>
                <Bar share={row.mean_b / most} both />
              </td>
              <td>{signed(row.mean_b)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
