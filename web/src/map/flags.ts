/** One byte for each cell that says how it is drawn apart from its colour. */

export const DIM = 1;
export const BLOCKED = 2;
export const GONE = 4;

export interface FlagInput {
  n: number;
  /** 1 = selected; null = nothing is selected. */
  selected: Uint8Array | null;
  /** Codes of the filter column and whether each code is shown; null = no filter. */
  codes: ArrayLike<number> | null;
  shown: Uint8Array | null;
  /** Cells of the interaction lens; the others step back. */
  lens: ReadonlySet<number> | null;
  /** Codes of the pieces of tissue and the one that is shown; null = all are. */
  sample: { codes: ArrayLike<number>; shown: number } | null;
}

/**
 * Unticked types are dimmed and cannot be clicked; cells outside the selection or the lens are dimmed only; cells of
 * other pieces of tissue, whose coordinates often overlap, are not drawn at all.
 */
export function cellFlags({ n, selected, codes, shown, lens, sample }: FlagInput): Uint8Array {
  const flags = new Uint8Array(n);
  if (codes && shown) {
    for (let i = 0; i < n; i++) if (shown[codes[i]!] === 0) flags[i] = DIM | BLOCKED;
  }
  if (lens) {
    for (let i = 0; i < n; i++) if (!lens.has(i)) flags[i]! |= DIM;
  } else if (selected) {
    for (let i = 0; i < n; i++) if (selected[i] === 0) flags[i]! |= DIM;
  }
  if (sample) for (let i = 0; i < n; i++) if (sample.codes[i] !== sample.shown) flags[i]! |= BLOCKED | GONE;
  return flags;
}
