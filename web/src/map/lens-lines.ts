/** The lines of the interaction lens: from the cell to each neighbour with a supported pair. */

import type { Rgb } from "../colour/maps";
import { context, support } from "../state/lens";
import { theme } from "../state/store";

export interface Link {
  from: number;
  to: number;
  /** Support as a share of the strongest. */
  share: number;
}

export function lensLinks(): Link[] {
  const found = context.value;
  if (!found) return [];
  const linked = found.neighbours.filter((n) => n.edges.length > 0);
  const most = Math.max(...linked.map(support), 1e-12);
  return linked.map((neighbour) => ({ from: found.cell, to: neighbour.index, share: support(neighbour) / most }));
}

export function lensColour(): Rgb {
  return theme.value === "dark" ? [255, 200, 90] : [176, 72, 0];
}
