/** Colours of categories: the first eight tell apart under the common colour-vision deficiencies, the others are
 * the farthest from all before them in OKLab seen normally and with protanopia and deuteranopia. */

import type { Rgb } from "./maps";
import { hexRgb } from "./maps";

const HEX =
  "0072b2 e69f00 009e73 cc79a7 56b4e9 d55e00 b8a910 7d5ba6 3bebb1 f5bace 766245 d893ff 8980eb ba456c ced845 89ba9d " +
  "58e2ff 27800a ff8076 6c89a7 938931 b13b00 ffba80 ff89c4 007676 ba9376 9d766c 45ba62 baa7ce b1d8c4 0089e2 b162ba " +
  "00b1b1 bac4ff e2626c 89ce62 ffa7ff 00cece 894e6c d8a79d 9393ce c4ba76 e2803b 62804e 5858c4 4e9dff 4e9d31 9d6200";

export const CATEGORY_COLOURS: readonly Rgb[] = HEX.split(" ").map((hex) => hexRgb(`#${hex}`));

export function categoryColour(code: number): Rgb {
  return CATEGORY_COLOURS[code % CATEGORY_COLOURS.length]!;
}
