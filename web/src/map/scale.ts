/** The scale bar: a round length, in micrometres where the sample tells. */

import { camera, currentLayout, layout, meta } from "../state/store";
import { number, roundLength } from "../util/format";

/** Null on a layout without distances. */
export function scaleBar(): { pixels: number; text: string } | null {
  const at = currentLayout.value;
  const facts = meta.value;
  if (!at || !facts || layout.value !== facts.embeddings[0]?.name || layout.value.includes("umap")) return null;
  const um = facts.unit.um_per_unit;
  const perPixel = (1 / (at.frame.scale * 2 ** camera.value.zoom)) * (um ?? 1);
  const length = roundLength(perPixel * 120);
  const text = um ? (length >= 1000 ? `${number(length / 1000)} mm` : `${number(length)} µm`) : `${number(length)} units`;
  return { pixels: length / perPixel, text };
}
