/** Lines over cells have a rim in the colour of the page, on the screen and in a figure. */

import type { Rgb } from "../colour/maps";
import { theme } from "../state/store";

/** How far a rim reaches beyond its line on each side, in pixels, and how much of what is below it covers. */
export const RIM = { reach: 1, opacity: 0.75 } as const;

export function arrowColour(): Rgb {
  return theme.value === "dark" ? [255, 255, 255] : [20, 24, 30];
}
