/** The selected cells as a table: name, coordinates, groups, and what the views show. */

import { valueOf } from "../api/columns";
import { exactValues, panes, specTitle } from "../state/panes";
import { selected, selectionId } from "../state/select";
import { client, fetchColumn, meta, obsColumn, split } from "../state/store";
import { fileName, save } from "./save";
import type { Cell } from "./table";
import { csvText } from "./table";

async function labelColumn(name: string): Promise<Cell> {
  const labels = obsColumn(name)?.categories ?? [];
  const { values } = await fetchColumn({ kind: "obs", name });
  return (i) => labels[values[i]!] ?? "";
}

export async function saveSelectionCsv(): Promise<void> {
  const marks = selected.value;
  const facts = meta.value;
  if (!marks || !facts) return;
  const indices: number[] = [];
  for (let i = 0; i < marks.length; i++) if (marks[i]) indices.push(i);

  const header = ["index"];
  const columns: Cell[] = [(i) => i];
  const names = await client.selectionNames(await selectionId());
  if (names?.length === indices.length) {
    const byIndex = new Map(indices.map((index, k) => [index, names[k]!]));
    header.unshift("cell");
    columns.unshift((i) => byIndex.get(i) ?? "");
  }
  for (const embedding of facts.embeddings.slice(0, 2)) {
    const { values, ncomp } = await fetchColumn({ kind: "obsm", name: embedding.name, dtype: "f32" });
    header.push(`${embedding.name}_1`, `${embedding.name}_2`);
    columns.push(
      (i) => values[i * ncomp]!,
      (i) => values[i * ncomp + 1]!,
    );
  }
  for (const name of new Set([facts.cell_type_column, facts.cluster_column])) {
    if (!name) continue;
    header.push(name);
    columns.push(await labelColumn(name));
  }
  for (const pane of split.value ? [panes.a, panes.b] : [panes.a]) {
    const now = pane.shaded.value;
    if (!now || header.includes(specTitle(now.spec))) continue;
    header.push(specTitle(now.spec));
    if (now.form === "categorical" && now.spec.kind === "obs") columns.push(await labelColumn(now.spec.name));
    else {
      const exact = await exactValues(now.spec);
      columns.push((i) => valueOf(exact, i));
    }
  }
  save(new Blob([csvText(header, columns, indices)], { type: "text/csv" }), fileName(facts.title, "selection.csv"));
}
