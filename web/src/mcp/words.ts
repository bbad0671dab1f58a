/** What the user sees, in words for the assistant. */

export interface Seen {
  title: string;
  cells: number;
  genes: number;
  layer: string;
  layout: string;
  colour: string;
  unit: string;
  range: { lo: number; hi: number } | null;
  hidden: readonly string[];
  selection: { id: string; n: number } | null;
  pinned: { index: number; cellType: string | null } | null;
  focusGene: string;
  perturbation: { job: string; title: string; top: readonly { gene: string; mean: number }[] } | null;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** One fact a line; ids stand where a tool takes them. */
export function wordsOf(seen: Seen): string {
  const lines = [
    `Sample ${seen.title}: ${seen.cells} cells, ${seen.genes} genes, layer ${seen.layer}.`,
    `Cells are placed by ${seen.layout} and coloured by ${seen.colour || "nothing"}${range(seen)}.`,
  ];
  if (seen.hidden.length) lines.push(`Hidden groups: ${seen.hidden.slice(0, 20).join(", ")}.`);
  if (seen.selection) {
    lines.push(`${seen.selection.n} cells are selected: scope {"type": "selection", "id": "${seen.selection.id}"}.`);
  }
  if (seen.pinned) {
    lines.push(`Chosen cell: number ${seen.pinned.index}${seen.pinned.cellType ? `, type ${seen.pinned.cellType}` : ""}.`);
  }
  if (seen.focusGene) lines.push(`Gene of the cell's context: ${seen.focusGene}.`);
  if (seen.perturbation) {
    const { job, title, top } = seen.perturbation;
    const genes = top.map((one) => `${one.gene} ${one.mean > 0 ? "+" : ""}${short(one.mean)}`).join(", ");
    lines.push(`Perturbation shown: ${title} (job ${job})${genes ? `; largest mean changes: ${genes}` : ""}.`);
  }
  return lines.join("\n");
}

function range({ range: ends, unit }: Seen): string {
  if (!ends) return "";
  return `, from ${short(ends.lo)} to ${short(ends.hi)}${unit ? ` (${unit})` : ""}`;
}
