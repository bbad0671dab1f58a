/** The names of pieces of tissue that are drawn side by side. */

import { sampleShown } from "../state/select";
import { camera, currentLayout, flip, viewSize } from "../state/store";
import { cutTo } from "../util/format";
import { toScreen } from "./world";

/** Pixels that a letter takes, and that a name keeps away from the cells. */
const LETTER = 7.6;
const ABOVE = 6;
/** Pixels of the gaps on both sides that a name may take. */
const BESIDE = 12;

export interface PieceName {
  /** Middle of the lower edge of the letters, in pixels of a view. */
  x: number;
  y: number;
  text: string;
}

export function pieceNames(): PieceName[] {
  const at = currentLayout.value;
  if (!at || at.pieces.length < 2 || sampleShown.value) return [];
  const box = { ...viewSize.value, flip: flip.value };
  return at.pieces.flatMap(({ label, bounds }) => {
    const [ax, ay] = toScreen(bounds[0], bounds[1], camera.value, box);
    const [bx, by] = toScreen(bounds[2], bounds[3], camera.value, box);
    const text = cutTo(label, Math.floor((bx - ax + BESIDE) / LETTER));
    const [x, y] = [(ax + bx) / 2, Math.min(ay, by) - ABOVE];
    return text && x > 0 && x < box.width && y > 0 && y < box.height ? [{ x, y, text }] : [];
  });
}
