/** The strongest coefficients over a group of cells. */

import { signal } from "@preact/signals";
import type { Interaction, ModulatorKind } from "../api/types";
import { scopeOf } from "../state/jobs";
import { show } from "../state/panes";
import { selectedCount } from "../state/select";
import { client, meta, obsColumn, report } from "../state/store";
import type { PerturbForm } from "../state/url";
import { Bar, Empty, Section, Segments, SelectField } from "../ui/parts";
import { count, modulator, signed } from "../util/format";

const asked = signal<{ scope: PerturbForm["scope"]; label: string; aggregate: string; kind: ModulatorKind | "all" }>({
  scope: "all",
  label: "",
  aggregate: "mean",
  kind: "all",
});
const answer = signal<{ rows: Interaction[]; total: number } | null>(null);
const busy = signal(false);

const AGGREGATES = [
  ["mean", "Mean"],
  ["min", "Smallest"],
  ["max", "Largest"],
  ["sum", "Sum"],
  ["mean_positive", "Mean of positive"],
  ["mean_negative", "Mean of negative"],
] as const;

async function collect(): Promise<void> {
  const { scope, label, aggregate } = asked.value;
  busy.value = true;
  try {
    const where = await scopeOf(scope, label ? [label] : []);
    answer.value = await client.interactions({ genes: null, scope: where, aggregate, limit: 400 });
  } catch (error) {
    answer.value = null;
    report(error);
  } finally {
    busy.value = false;
  }
}

export function InteractionsPanel() {
  const facts = meta.value;
  if (!facts?.run) return null;
  const at = asked.value;
  const set = (part: Partial<typeof at>) => (asked.value = { ...at, ...part });
  const column = at.scope === "cell_type" ? facts.cell_type_column : at.scope === "cluster" ? facts.cluster_column : null;
  const labels = obsColumn(column)?.categories ?? [];
  const rows = (answer.value?.rows ?? []).filter((row) => at.kind === "all" || row.kind === at.kind).slice(0, 40);
  const most = Math.max(...rows.map((row) => Math.abs(row.beta)), 1e-300);
  return (
    <Section name="interactions" title="Strongest coefficients" initially={false}>
      <Segments
        label="Cells"
        value={at.scope}
        options={[
          { key: "all", text: "All" },
          { key: "selection", text: "Selection", disabled: selectedCount.value === 0 },
          { key: "cell_type", text: "Type", disabled: !facts.cell_type_column },
          { key: "cluster", text: "Cluster", disabled: !facts.cluster_column },
        ]}
        onChange={(scope) => {
          const of = scope === "cell_type" ? facts.cell_type_column : scope === "cluster" ? facts.cluster_column : null;
          set({ scope, label: obsColumn(of)?.categories?.[0] ?? "" });
        }}
      />
      {column && <SelectField label="Group" value={at.label} options={labels.map((l) => [l, l] as const)} onChange={(label) => set({ label })} />}
      <div class="grid two">
        <SelectField label="Over cells" value={at.aggregate} options={AGGREGATES} onChange={(aggregate) => set({ aggregate })} />
        <SelectField
          label="Kind"
          value={at.kind}
          options={[
            ["all", "All"],
            ["tf", "TF"],
            ["ligand-receptor", "Ligand–receptor"],
            ["ligand-tf", "Ligand → TF"],
          ]}
          onChange={(kind) => set({ kind: kind as ModulatorKind | "all" })}
        />
      </div>
      <button class="small" disabled={busy.value} onClick={() => void collect()}>
        {busy.value ? "Collecting…" : "Collect"}
      </button>
      {answer.value && (
        <>
          <table class="effects">
            <thead>
              <tr>
                <th>Modulator → gene</th>
                <th aria-label="Coefficient as a bar" />
                <th>β</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={`${row.gene} ${row.modulator}`}>
                  <th scope="row">
                    <button
                      class="ghost"
                      title={`${modulator(row.modulator)} → ${row.gene}`}
                      onClick={() => show({ kind: "beta", gene: row.gene, column: row.modulator })}
                    >
                      {modulator(row.modulator)} → {row.gene}
                    </button>
                  </th>
                  <td>
                    <Bar share={row.beta / most} both />
                  </td>
                  <td>{signed(row.beta)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {rows.length === 0 && <Empty>No coefficient of this kind.</Empty>}
          <p class="hint">{count(answer.value.total)} coefficients are not zero</p>
        </>
      )}
    </Section>
  );
}
