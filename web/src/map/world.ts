/** Every layout is drawn in the same square of 1000 world units, so that layouts can blend and share the camera. */

export const WORLD = 1000;

export interface Frame {
  cx: number;
  cy: number;
  /** World units for one unit of the embedding. */
  scale: number;
}

export type Bounds = readonly [number, number, number, number];

export function frameOf([x0, y0, x1, y1]: Bounds): Frame {
  const span = Math.max(x1 - x0, y1 - y0);
  return { cx: (x0 + x1) / 2, cy: (y0 + y1) / 2, scale: span > 0 ? WORLD / span : 1 };
}

/** Cells without coordinates are put here, out of every view. */
export const NOWHERE = 1e7;

/** Cells that are drawn elsewhere than where their coordinates say: how far, by a code of each cell. */
export interface Shift {
  codes: ArrayLike<number>;
  by: readonly ({ dx: number; dy: number } | null)[];
}

/** Interleaved x, y in world units; `ncomp` is the number of components of a row of `values` (only two are drawn). */
export function toWorld(values: ArrayLike<number>, n: number, ncomp: number, frame: Frame, shift?: Shift): Float32Array {
  const out = new Float32Array(n * 2);
  if (shift) {
    for (let i = 0; i < n; i++) {
      const by = shift.by[Math.min(shift.codes[i]!, shift.by.length - 1)];
      const x = values[i * ncomp]! + (by?.dx ?? NaN);
      const y = values[i * ncomp + 1]! + (by?.dy ?? NaN);
      const known = Number.isFinite(x) && Number.isFinite(y);
      out[2 * i] = known ? (x - frame.cx) * frame.scale : NOWHERE;
      out[2 * i + 1] = known ? (y - frame.cy) * frame.scale : NOWHERE;
    }
    return out;
  }
  for (let i = 0; i < n; i++) {
    const x = values[i * ncomp]!;
    const y = values[i * ncomp + 1]!;
    const known = Number.isFinite(x) && Number.isFinite(y);
    out[2 * i] = known ? (x - frame.cx) * frame.scale : NOWHERE;
    out[2 * i + 1] = known ? (y - frame.cy) * frame.scale : NOWHERE;
  }
  return out;
}

export interface Camera {
  x: number;
  y: number;
  zoom: number;
}

/** Whether two cameras show the same picture. */
export function sameCamera(a: Camera, b: Camera): boolean {
  const near = 1e-3 / 2 ** a.zoom;
  return Math.abs(a.x - b.x) < near && Math.abs(a.y - b.y) < near && Math.abs(a.zoom - b.zoom) < 1e-6;
}

/** Camera that shows bounds (in world units) inside a view, with a margin of 6 %; `right` pixels of it stay free. */
export function fit([x0, y0, x1, y1]: Bounds, width: number, height: number, right = 0): Camera {
  const w = Math.max(x1 - x0, 1e-6);
  const h = Math.max(y1 - y0, 1e-6);
  const found = Math.log2(Math.min(((width - right) * 0.94) / w, (height * 0.94) / h));
  const zoom = Number.isFinite(found) ? found : 0;
  return { x: (x0 + x1) / 2 + right / 2 / 2 ** zoom, y: (y0 + y1) / 2, zoom };
}

/** World bounds of an embedding's own bounds. */
export function worldBounds([x0, y0, x1, y1]: Bounds, frame: Frame): Bounds {
  return [
    (x0 - frame.cx) * frame.scale,
    (y0 - frame.cy) * frame.scale,
    (x1 - frame.cx) * frame.scale,
    (y1 - frame.cy) * frame.scale,
  ];
}

/** Bounds of some points that have a place; null if none has. */
export function boundsOf(points: Float32Array, among: (i: number) => boolean): Bounds | null {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length / 2; i++) {
    const [x, y] = [points[2 * i]!, points[2 * i + 1]!];
    if (x === NOWHERE || !among(i)) continue;
    x0 = Math.min(x0, x);
    y0 = Math.min(y0, y);
    x1 = Math.max(x1, x);
    y1 = Math.max(y1, y);
  }
  return x0 <= x1 ? [x0, y0, x1, y1] : null;
}

export interface ViewBox {
  width: number;
  height: number;
  flip: boolean;
}

export function toScreen(x: number, y: number, camera: Camera, box: ViewBox): [number, number] {
  const k = 2 ** camera.zoom;
  const dy = (y - camera.y) * k;
  return [box.width / 2 + (x - camera.x) * k, box.height / 2 + (box.flip ? dy : -dy)];
}

export function toWorldPoint(px: number, py: number, camera: Camera, box: ViewBox): [number, number] {
  const k = 2 ** camera.zoom;
  const dy = (py - box.height / 2) / k;
  return [camera.x + (px - box.width / 2) / k, camera.y + (box.flip ? dy : -dy)];
}

/** Radius of a cell in pixels: grows with the square root of the magnification, times the user's factor. */
export function pointRadius(n: number, box: ViewBox, camera: Camera, fitted: Camera, factor: number): number {
  // room of a cell: of the view, or of the layout where that is smaller
  const side = Math.min(Math.sqrt(box.width * box.height), WORLD * 2 ** fitted.zoom);
  const share = side / Math.sqrt(Math.max(n, 1));
  const base = Math.min(Math.max(share * 0.34, 0.5), 4);
  return Math.min(Math.max(base * factor * 2 ** (0.5 * (camera.zoom - fitted.zoom)), 0.4), 30);
}
