/** Lengths in the tissue: the scale bar, and distances in words. */

import { camera, currentLayout, isSpatial, layout, meta } from "../state/store";
import { lengthText, roundLength } from "../util/format";

export interface ScaleBarFacts {
  pixels: number;
  text: string;
  /** Whether the sample tells how long a coordinate unit is. */
  known: boolean;
}

/** Null on a layout without distances. */
export function scaleBar(): ScaleBarFacts | null {
  const at = currentLayout.value;
  const um = meta.value?.unit.um_per_unit ?? null;
  if (!at || !meta.value || !isSpatial(layout.value)) return null;
  const perPixel = (1 / (at.frame.scale * 2 ** camera.value.zoom)) * (um ?? 1);
  const length = roundLength(perPixel * 120);
  return { pixels: length / perPixel, text: lengthText(length, um === null ? null : 1), known: um !== null };
}

/** A distance given in coordinate units, in words. */
export function distance(units: number): string {
  return lengthText(units, meta.value?.unit.um_per_unit ?? null);
}

/** What a number that is a length in the coordinates of the sample counts. */
export function lengthUnit(): string {
  return meta.value?.unit.um_per_unit === 1 ? "µm" : "coordinate units";
}
