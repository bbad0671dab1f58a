/** Arrows of a transition field as line segments in world units. */

import type { Frame } from "./world";

export interface ArrowStyle {
  /** Length of the longest arrow in grid steps. */
  length: number;
  /** Length of the head as a share of the arrow. */
  head: number;
  /** Draw every stride-th arrow. */
  stride: number;
}

export interface Segments {
  count: number;
  source: Float32Array;
  target: Float32Array;
}

/** Distance of neighbouring grid points, the unit of arrow lengths: it fits every layout. */
export function gridStep(positions: Float32Array): number {
  let step = Infinity;
  for (const axis of [0, 1]) {
    const seen = [...new Set(positions.filter((_, i) => i % 2 === axis))].sort((a, b) => a - b);
    const span = (seen.at(-1) ?? 0) - (seen[0] ?? 0);
    // points of one grid line may differ in the last bits
    for (let i = 1; i < seen.length; i++) {
      const gap = seen[i]! - seen[i - 1]!;
      if (gap > span * 1e-5 && gap < step) step = gap;
    }
  }
  return Number.isFinite(step) ? step : 1;
}

/** Arrows shorter than this share of the longest are only dots. */
const SHORTEST = 0.02;

/** Shaft and two head strokes for each vector; the longest has `length` grid steps. */
export function arrowSegments(
  positions: Float32Array,
  vectors: Float32Array,
  frame: Frame,
  { length, head, stride }: ArrowStyle,
): Segments {
  let longest = 0;
  for (let i = 0; i < vectors.length; i += 2) {
    const size = Math.hypot(vectors[i]!, vectors[i + 1]!);
    if (size > longest) longest = size;
  }
  const source: number[] = [];
  const target: number[] = [];
  const factor = longest > 0 ? (length * gridStep(positions) * frame.scale) / longest : 0;
  for (let i = 0; i < positions.length / 2; i += stride) {
    const u = vectors[2 * i]! * factor;
    const v = vectors[2 * i + 1]! * factor;
    if (!(Math.hypot(vectors[2 * i]!, vectors[2 * i + 1]!) > SHORTEST * longest)) continue;
    const x = (positions[2 * i]! - frame.cx) * frame.scale;
    const y = (positions[2 * i + 1]! - frame.cy) * frame.scale;
    source.push(x, y, 0);
    target.push(x + u, y + v, 0);
    for (const side of [-1, 1]) {
      const bx = x + u * (1 - head) - side * v * head * 0.48;
      const by = y + v * (1 - head) + side * u * head * 0.48;
      source.push(x + u, y + v, 0);
      target.push(bx, by, 0);
    }
  }
  return { count: source.length / 3, source: Float32Array.from(source), target: Float32Array.from(target) };
}
