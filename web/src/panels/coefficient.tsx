/** Which coefficient of which target gene a view shows. */

import { useEffect, useState } from "preact/hooks";
import type { GeneColumns, ModulatorKind } from "../api/types";
import { canStretch, show } from "../state/panes";
import { client, report, stretch } from "../state/store";
import type { ColourSpec } from "../state/url";
import { GeneSearch } from "../ui/gene-search";
import { Bar, Check, Empty, Segments } from "../ui/parts";
import { modulator, number } from "../util/format";

const KINDS: readonly (readonly [ModulatorKind | "all", string])[] = [
  ["all", "All"],
  ["tf", "TF"],
  ["ligand-receptor", "L–R"],
  ["ligand-tf", "L → TF"],
];

export function Coefficient({ spec }: { spec: ColourSpec | null }) {
  const gene = spec?.kind === "beta" ? spec.gene : "";
  const [target, setTarget] = useState(gene);
  const [facts, setFacts] = useState<GeneColumns | null>(null);
  const [kind, setKind] = useState<ModulatorKind | "all">("all");
  useEffect(() => setTarget(gene || target), [gene]);
  useEffect(() => {
    if (!target) return;
    let live = true;
    client.geneColumns(target).then((answer) => {
      if (live) setFacts(answer);
    }, report);
    return () => {
      live = false;
    };
  }, [target]);
  const columns = (facts?.gene === target ? facts.columns : [])
    .filter((c) => c.kind !== "intercept" && (kind === "all" || c.kind === kind))
    .sort((a, b) => b.max_abs - a.max_abs);
  const most = columns[0]?.max_abs || 1;
  return (
    <>
      <GeneSearch label="Target gene" placeholder="Target gene with a model" value={target} among="models" onChoose={setTarget} />
      {target && <Segments label="Kind of modulator" options={KINDS.map(([key, text]) => ({ key, text }))} value={kind} onChange={setKind} />}
      {target && (
        <ul class="rows pick" aria-label={`Coefficients of ${target}`}>
          {columns.slice(0, 200).map((column) => (
            <li key={column.name}>
              <button
                aria-pressed={spec?.kind === "beta" && spec.gene === target && spec.column === column.name}
                disabled={column.max_abs === 0}
                onClick={() => show({ kind: "beta", gene: target, column: column.name })}
              >
                <span>{modulator(column.name)}</span>
                <Bar share={column.max_abs / most} />
                <small>{number(column.max_abs)}</small>
              </button>
            </li>
          ))}
        </ul>
      )}
      {target && facts?.gene === target && columns.length === 0 && <Empty>No coefficient of this kind.</Empty>}
      {facts && facts.scores.length > 0 && <Scores facts={facts} />}
      {canStretch.value && (
        <Check
          label="Stretch colours within each cluster"
          checked={stretch.value}
          hint="Each cluster uses the whole map, so that one strong cluster does not flatten the others"
          onChange={(on) => (stretch.value = on)}
        />
      )}
    </>
  );
}

function Scores({ facts }: { facts: GeneColumns }) {
  return (
    <details class="more">
      <summary>Model scores of {facts.gene}</summary>
      <table>
        <thead>
          <tr>
            <th>Cluster</th>
            <th title="in the cells that the model was fitted to">R² in</th>
            <th title="in regions of tissue that were held out">R² out</th>
            <th title="held out, of a model without ligands">TFs only</th>
          </tr>
        </thead>
        <tbody>
          {facts.scores.map((score) => (
            <tr key={score.cluster}>
              <th scope="row">{score.cluster}</th>
              <td>{number(score.r2_in)}</td>
              <td>{number(score.r2_out)}</td>
              <td>{number(score.r2_tf_only)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
