/** Pieces of tissue side by side: each has coordinates of its own, in which the others would lie on top of it. */

import type { Bounds } from "./world";

/** Where a piece of tissue is drawn. */
export interface Tile {
  /** What is added to its own coordinates. */
  dx: number;
  dy: number;
  /** Its extent after that, in units of the layout. */
  bounds: Bounds;
}

export interface Tiling {
  /** By code of the sample; null without a cell that has a place. */
  tiles: (Tile | null)[];
  bounds: Bounds;
  /** Whether anything is drawn elsewhere than where its coordinates say. */
  moved: boolean;
}

/** Room between pieces as a share of the longest side of any: for the name, and so that none seems to touch another. */
const GAP = 0.1;
/** Width to height of the picture that the rows are made for. */
const ASPECT = 1.25;

/** Extent of each sample; codes from `n_samples` on are cells of no sample, which make one more. */
export function sampleBounds(
  values: ArrayLike<number>,
  ncomp: number,
  codes: ArrayLike<number>,
  samples: number,
): (Bounds | null)[] {
  const ends = Array.from({ length: samples + 1 }, () => [Infinity, Infinity, -Infinity, -Infinity]);
  for (let i = 0; i < codes.length; i++) {
    const [x, y] = [values[i * ncomp]!, values[i * ncomp + 1]!];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    const box = ends[Math.min(codes[i]!, samples)]!;
    if (x < box[0]!) box[0] = x;
    if (y < box[1]!) box[1] = y;
    if (x > box[2]!) box[2] = x;
    if (y > box[3]!) box[3] = y;
  }
  return ends.map((box) => (box[0]! <= box[2]! ? (box as unknown as Bounds) : null));
}

const width = (box: Bounds): number => box[2] - box[0];
const height = (box: Bounds): number => box[3] - box[1];

function overlaps(a: Bounds, b: Bounds): boolean {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

interface Grid {
  columns: number[];
  rows: number[];
  gap: number;
}

function gridOf(boxes: readonly Bounds[], across: number): Grid {
  const columns = new Array<number>(across).fill(0);
  const rows = new Array<number>(Math.ceil(boxes.length / across)).fill(0);
  boxes.forEach((box, i) => {
    const [row, column] = [Math.floor(i / across), i % across];
    columns[column] = Math.max(columns[column]!, width(box));
    rows[row] = Math.max(rows[row]!, height(box));
  });
  return { columns, rows, gap: GAP * Math.max(...boxes.map((box) => Math.max(width(box), height(box)))) };
}

/** Where the line of a row or column begins. */
const begin = (lengths: readonly number[], gap: number, at: number): number =>
  lengths.slice(0, at).reduce((sum, length) => sum + length + gap, 0);

const total = (lengths: readonly number[], gap: number): number => begin(lengths, gap, lengths.length) - gap;

/** The grid in which the pieces are drawn largest. */
function bestGrid(boxes: readonly Bounds[]): Grid {
  let best = gridOf(boxes, boxes.length);
  const size = ({ columns, rows, gap }: Grid) => Math.max(total(columns, gap) / ASPECT, total(rows, gap));
  for (let across = boxes.length - 1; across > 0; across--) {
    const other = gridOf(boxes, across);
    if (size(other) < size(best)) best = other;
  }
  return best;
}

/**
 * Samples in rows from the upper left, in their order, each moved as a whole: no distance within one changes. Samples
 * that do not lie on each other stay where they are.
 */
export function tile(boxes: readonly (Bounds | null)[]): Tiling {
  const there = boxes.filter((box) => box !== null);
  const apart = there.every((box, i) => there.slice(i + 1).every((other) => !overlaps(box, other)));
  if (apart) {
    const tiles = boxes.map((box) => box && { dx: 0, dy: 0, bounds: box });
    return { tiles, bounds: around(there), moved: false };
  }
  const { columns, rows, gap } = bestGrid(there);
  const [whole, high] = [total(columns, gap), total(rows, gap)];
  let at = 0;
  const tiles = boxes.map((box): Tile | null => {
    if (!box) return null;
    const [row, column] = [Math.floor(at / columns.length), at % columns.length];
    at++;
    const left = begin(columns, gap, column) + (columns[column]! - width(box)) / 2;
    const top = high - begin(rows, gap, row) - (rows[row]! - height(box)) / 2;
    const [dx, dy] = [left - box[0], top - box[3]];
    return { dx, dy, bounds: [left, top - height(box), left + width(box), top] };
  });
  return { tiles, bounds: [0, 0, whole, high], moved: true };
}

function around(boxes: readonly Bounds[]): Bounds {
  const ends = (of: (...values: number[]) => number, side: 0 | 1 | 2 | 3) => of(...boxes.map((box) => box[side]));
  return boxes.length
    ? [ends(Math.min, 0), ends(Math.min, 1), ends(Math.max, 2), ends(Math.max, 3)]
    : [0, 0, 1, 1];
}
