/** The interaction lens: a cell, its neighbours and the ligand-receptor chains between them. */

import { effect, signal } from "@preact/signals";
import type { CellContext } from "../api/types";
import { lensCells } from "./select";
import { client, initial, meta, pinned, report } from "./store";

export interface LensForm {
  gene: string;
  mode: "knn" | "radius";
  neighbours: number;
  radius: number;
  direction: "sending" | "receiving";
  expr_threshold: number;
  tf_ligand_cutoff: number;
}

export const lensOn = signal(initial.lens !== null);
export const lensForm = signal<LensForm>({
  gene: initial.lens?.gene ?? "",
  mode: "knn",
  neighbours: 24,
  radius: 120,
  direction: "sending",
  expr_threshold: 1e-6,
  tf_ligand_cutoff: 0,
});
export const context = signal<CellContext | null>(null);
export const lensBusy = signal(false);

let turn = 0;

async function refresh(cell: number, form: LensForm): Promise<void> {
  const mine = ++turn;
  lensBusy.value = true;
  try {
    const answer = await client.context({ cell, ...form });
    if (mine !== turn) return;
    context.value = answer;
    lensCells.value = new Set([cell, ...answer.neighbours.map((n) => n.index)]);
  } catch (error) {
    if (mine === turn) {
      context.value = null;
      lensCells.value = null;
      report(error);
    }
  } finally {
    if (mine === turn) lensBusy.value = false;
  }
}

export function startLens(): void {
  effect(() => {
    const form = lensForm.value;
    const cell = pinned.value;
    if (lensOn.value && meta.value && cell >= 0 && form.gene) void refresh(cell, form);
    else {
      turn++;
      lensBusy.value = false;
      context.value = null;
      lensCells.value = null;
    }
  });
}

/** Highest support of a neighbour, the strength of its line. */
export function support(neighbour: CellContext["neighbours"][number]): number {
  return neighbour.edges.reduce((most, edge) => Math.max(most, edge.support), 0);
}
