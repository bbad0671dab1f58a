/** From a column to one byte for each cell, the form that is uploaded and looked up in the palette. */

import type { Column } from "../api/columns";
import type { Range } from "./palette";
import { MISSING_BYTE, NEUTRAL_BYTE, symmetric } from "./palette";

const CATEGORIES = 255;

/** Categories beyond 254 share colours; the legend still names each of them. */
export function categoricalBytes(column: Column): Uint8Array {
  if (column.values instanceof Uint8Array) return column.values;
  const missing = column.dtype === "u16" ? 65535 : 0xffffffff;
  const out = new Uint8Array(column.n);
  const codes = column.values;
  for (let i = 0; i < out.length; i++) out[i] = codes[i] === missing ? MISSING_BYTE : codes[i]! % CATEGORIES;
  return out;
}

/** Values as bytes over `range`; a u8 column already is that. */
export function quantise(values: ArrayLike<number>, { lo, hi }: Range): Uint8Array {
  const out = new Uint8Array(values.length);
  const scale = hi > lo ? 254 / (hi - lo) : 0;
  for (let i = 0; i < out.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) out[i] = MISSING_BYTE;
    else out[i] = Math.min(Math.max(Math.round((value - lo) * scale), 0), 254);
  }
  return out;
}

export function finiteRange(values: ArrayLike<number>): Range {
  let lo = Infinity;
  let hi = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  return lo <= hi ? { lo, hi } : { lo: 0, hi: 0 };
}

export interface Stretched {
  bytes: Uint8Array;
  /** Range of each cluster that has values, by code. */
  ranges: Map<number, Range>;
}

const ZERO = 1e-12;

/** Stretches values within each cluster, so that one strong cluster does not flatten the others. Clusters whose
 * values are all about zero get the neutral byte. */
export function stretchByCluster(values: ArrayLike<number>, codes: ArrayLike<number>, signed: boolean): Stretched {
  const ranges = new Map<number, Range>();
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    const range = ranges.get(codes[i]!);
    if (!range) ranges.set(codes[i]!, { lo: value, hi: value });
    else if (value < range.lo) range.lo = value;
    else if (value > range.hi) range.hi = value;
  }
  if (signed) for (const [code, range] of ranges) ranges.set(code, symmetric(range));
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < bytes.length; i++) {
    const value = values[i]!;
    const range = ranges.get(codes[i]!);
    if (!range || !Number.isFinite(value)) bytes[i] = MISSING_BYTE;
    else if (Math.max(Math.abs(range.lo), Math.abs(range.hi)) <= ZERO) bytes[i] = NEUTRAL_BYTE;
    else {
      const width = range.hi - range.lo;
      bytes[i] = width > 0 ? Math.round(((value - range.lo) / width) * (NEUTRAL_BYTE - 1)) : (NEUTRAL_BYTE - 1) >> 1;
    }
  }
  return { bytes, ranges };
}

/** Counts of bytes 0..254, of the cells that `use` lets through. */
export function byteCounts(bytes: Uint8Array): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = 0; i < bytes.length; i++) counts[bytes[i]!]!++;
  return counts;
}

/** Byte below which a share `q` of the cells with a value lies. */
export function byteQuantile(counts: Uint32Array, q: number): number {
  let total = 0;
  for (let b = 0; b <= 254; b++) total += counts[b]!;
  let seen = 0;
  for (let b = 0; b <= 254; b++) {
    seen += counts[b]!;
    if (seen >= q * total) return b;
  }
  return 254;
}
