/** Where a selection lies whose other cells do not step back: its outlines, in pixels of a view. */

import { outlines } from "../state/select";
import { camera, flip, viewSize } from "../state/store";
import { toScreen } from "./world";

export interface Region {
  /** Corners as SVG takes them. */
  corners: string;
  /** Whether its cells were taken away. */
  taken: boolean;
}

export function regions(): Region[] {
  const box = { ...viewSize.value, flip: flip.value };
  return outlines.value.map(({ points, taken }) => ({
    corners: points
      .map(([x, y]) => toScreen(x, y, camera.value, box).map((pixel) => pixel.toFixed(1)).join(","))
      .join(" "),
    taken,
  }));
}
