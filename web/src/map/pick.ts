/** From a place on the stage to a cell: which pane, which world point, which cell. */

import type { PaneKey } from "../state/panes";
import { drawnCount, flags } from "../state/select";
import { camera, currentLayout, fitted, flip, gridOf, pointFactor, split, viewSize } from "../state/store";
import { BLOCKED } from "./flags";
import { pointRadius, toScreen, toWorldPoint } from "./world";

export function paneAt(x: number): PaneKey {
  return split.value && x > viewSize.value.width ? "b" : "a";
}

/** Pixel within its own pane. */
function withinPane(x: number): number {
  return paneAt(x) === "b" ? x - viewSize.value.width : x;
}

export function worldAt(x: number, y: number): [number, number] {
  return toWorldPoint(withinPane(x), y, camera.value, { ...viewSize.value, flip: flip.value });
}

export function screenOf(cell: number): [number, number] | null {
  const points = currentLayout.value?.points;
  if (!points || cell < 0 || cell * 2 >= points.length) return null;
  return toScreen(points[2 * cell]!, points[2 * cell + 1]!, camera.value, { ...viewSize.value, flip: flip.value });
}

export function radiusNow(): number {
  const box = { ...viewSize.value, flip: flip.value };
  return pointRadius(drawnCount.value, box, camera.value, fitted.value, pointFactor.value);
}

/** Cell under a place, with a few pixels of grace; -1 if there is none. */
export function cellAt(x: number, y: number, grace = 3): number {
  const points = currentLayout.value?.points;
  if (!points) return -1;
  const [wx, wy] = worldAt(x, y);
  const reach = (radiusNow() + grace) / 2 ** camera.value.zoom;
  const marks = flags.value;
  return gridOf(points).nearest(wx, wy, reach, (i) => (marks[i]! & BLOCKED) === 0);
}
