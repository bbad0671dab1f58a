/** A uniform grid over the points of a layout: nearest cell under the pointer and cells inside a polygon. */

import { NOWHERE, WORLD } from "./world";

export type Polygon = readonly (readonly [number, number])[];

const HALF = WORLD / 2 + 1;

export class PointGrid {
  private readonly side: number;
  private readonly step: number;
  private readonly starts: Uint32Array;
  private readonly order: Uint32Array;

  constructor(private readonly points: Float32Array) {
    const n = points.length / 2;
    this.side = Math.min(Math.max(Math.round(Math.sqrt(n / 4)), 1), 1024);
    this.step = (2 * HALF) / this.side;
    const slots = new Int32Array(n);
    const counts = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < n; i++) {
      const slot = points[2 * i] === NOWHERE ? -1 : this.row(points[2 * i + 1]!) * this.side + this.row(points[2 * i]!);
      slots[i] = slot;
      if (slot >= 0) counts[slot + 1]!++;
    }
    for (let s = 1; s < counts.length; s++) counts[s]! += counts[s - 1]!;
    this.starts = counts;
    const next = counts.slice(0, -1);
    this.order = new Uint32Array(counts[counts.length - 1]!);
    for (let i = 0; i < n; i++) if (slots[i]! >= 0) this.order[next[slots[i]!]!++] = i;
  }

  private row(value: number): number {
    return Math.min(Math.max(Math.floor((value + HALF) / this.step), 0), this.side - 1);
  }

  /** Nearest point within `radius` that `usable` lets through, or -1. Cost: the points in the square around. */
  nearest(x: number, y: number, radius: number, usable: (i: number) => boolean): number {
    let best = -1;
    let bestSq = radius * radius;
    for (let r = this.row(y - radius); r <= this.row(y + radius); r++) {
      for (let c = this.row(x - radius); c <= this.row(x + radius); c++) {
        const slot = r * this.side + c;
        for (let k = this.starts[slot]!; k < this.starts[slot + 1]!; k++) {
          const i = this.order[k]!;
          const sq = (this.points[2 * i]! - x) ** 2 + (this.points[2 * i + 1]! - y) ** 2;
          if (sq <= bestSq && usable(i)) {
            bestSq = sq;
            best = i;
          }
        }
      }
    }
    return best;
  }

  /** Marks with 1 every point inside the polygon (even-odd rule). Only points in grid squares that an edge crosses
   * are tested one by one; other squares lie wholly in or out. */
  inside(polygon: Polygon, out: Uint8Array): void {
    if (polygon.length < 3) return;
    const crossed = this.crossedSquares(polygon);
    const ys = polygon.map((p) => p[1]);
    const xs = polygon.map((p) => p[0]);
    const [r0, r1] = [this.row(Math.min(...ys)), this.row(Math.max(...ys))];
    const [c0, c1] = [this.row(Math.min(...xs)), this.row(Math.max(...xs))];
    for (let r = r0; r <= r1; r++) {
      for (let c = c0; c <= c1; c++) {
        const slot = r * this.side + c;
        const [from, to] = [this.starts[slot]!, this.starts[slot + 1]!];
        if (from === to) continue;
        if (crossed.has(slot)) {
          for (let k = from; k < to; k++) {
            const i = this.order[k]!;
            if (contains(polygon, this.points[2 * i]!, this.points[2 * i + 1]!)) out[i] = 1;
          }
        } else if (contains(polygon, (c + 0.5) * this.step - HALF, (r + 0.5) * this.step - HALF)) {
          for (let k = from; k < to; k++) out[this.order[k]!] = 1;
        }
      }
    }
  }

  private crossedSquares(polygon: Polygon): Set<number> {
    const squares = new Set<number>();
    for (let e = 0; e < polygon.length; e++) {
      const [ax, ay] = polygon[e]!;
      const [bx, by] = polygon[(e + 1) % polygon.length]!;
      const [low, high] = ay <= by ? [ay, by] : [by, ay];
      for (let r = this.row(low); r <= this.row(high); r++) {
        // the part of the edge inside this row; border rows reach to infinity because points are clamped into them
        const y0 = Math.max(low, r === 0 ? -Infinity : r * this.step - HALF);
        const y1 = Math.min(high, r === this.side - 1 ? Infinity : (r + 1) * this.step - HALF);
        const at = (y: number) => (by === ay ? ax : ax + ((y - ay) / (by - ay)) * (bx - ax));
        const [x0, x1] = by === ay ? [ax, bx] : [at(y0), at(y1)];
        const [from, to] = [this.row(Math.min(x0, x1) - 1e-6), this.row(Math.max(x0, x1) + 1e-6)];
        for (let c = from; c <= to; c++) squares.add(r * this.side + c);
      }
    }
    return squares;
  }
}

/** Even-odd rule. */
export function contains(polygon: Polygon, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i]!;
    const [xj, yj] = polygon[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Drops the vertices that matter least (by the triangle they make) until at most `most` are left. */
export function simplify(polygon: Polygon, most: number): [number, number][] {
  const points = polygon.map((p): [number, number] => [p[0], p[1]]);
  const area = (i: number): number => {
    const a = points[(i + points.length - 1) % points.length]!;
    const b = points[i]!;
    const c = points[(i + 1) % points.length]!;
    return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
  };
  while (points.length > Math.max(most, 3)) {
    let least = 0;
    for (let i = 1; i < points.length; i++) if (area(i) < area(least)) least = i;
    points.splice(least, 1);
  }
  return points;
}
