/** The 256-entry lookup that turns a cell's byte into its colour on the GPU. Entry 255 is "missing". */

import { categoryColour } from "./categories";
import type { MapName, Rgb, Theme } from "./maps";
import { MISSING, NEUTRAL, mapStops, sample } from "./maps";

export const MISSING_BYTE = 255;
/** Byte of a coefficient that is zero throughout a cluster. */
export const NEUTRAL_BYTE = 254;

export interface Range {
  lo: number;
  hi: number;
}

function write(table: Uint8Array, entry: number, [r, g, b]: Rgb): void {
  table.set([Math.round(r), Math.round(g), Math.round(b), 255], entry * 4);
}

/** Table for bytes 0..254 that stand for `data.lo`..`data.hi`, shown over `shown`. */
export function continuousPalette(name: MapName, theme: Theme, data: Range, shown: Range): Uint8Array {
  const colours = mapStops(name, theme);
  const table = new Uint8Array(1024);
  const width = shown.hi - shown.lo;
  for (let byte = 0; byte <= 254; byte++) {
    const value = data.lo + (byte / 254) * (data.hi - data.lo);
    write(table, byte, sample(colours, width > 0 ? (value - shown.lo) / width : 0.5));
  }
  write(table, MISSING_BYTE, MISSING[theme]);
  return table;
}

/** Table for values stretched within each cluster: bytes 0..253 are the map, 254 a cluster without effect. */
export function stretchedPalette(name: MapName, theme: Theme): Uint8Array {
  const colours = mapStops(name, theme);
  const table = new Uint8Array(1024);
  for (let byte = 0; byte < NEUTRAL_BYTE; byte++) write(table, byte, sample(colours, byte / (NEUTRAL_BYTE - 1)));
  write(table, NEUTRAL_BYTE, NEUTRAL[theme]);
  write(table, MISSING_BYTE, MISSING[theme]);
  return table;
}

export function categoricalPalette(theme: Theme): Uint8Array {
  const table = new Uint8Array(1024);
  for (let byte = 0; byte <= 254; byte++) write(table, byte, categoryColour(byte));
  write(table, MISSING_BYTE, MISSING[theme]);
  return table;
}

/** Range of a signed quantity: symmetric, so that zero is the neutral middle. */
export function symmetric({ lo, hi }: Range): Range {
  const bound = Math.max(Math.abs(lo), Math.abs(hi));
  return { lo: -bound, hi: bound };
}
