/** What lies over the cells in a figure: arrows, lines of the lens, the ring around the cell that is looked at, and the
 * names of pieces of tissue; each with the rim that it has on the screen, so that it stands out from cells of any colour. */

import { BACKDROP, rgbHex } from "../colour/maps";
import { arrowSegments } from "../map/arrows";
import { lensColour, lensLinks } from "../map/lens-lines";
import { radiusNow, screenOf } from "../map/pick";
import { pieceNames } from "../map/piece-names";
import { regions } from "../map/regions";
import { RIM, arrowColour } from "../map/rims";
import { toScreen } from "../map/world";
import { arrowStyle, field } from "../state/jobs";
import { camera, currentLayout, flip, pinned, theme, viewSize } from "../state/store";
import { escapeXml } from "./xml";

export const paper = (): string => rgbHex(BACKDROP[theme.value]);
/** The colour of what somebody has chosen: that of the style sheet. */
export const accent = (): string => (theme.value === "dark" ? "#5cc0c7" : "#0b6b74");
const short = (value: number): string => value.toFixed(1);

/** Lines in one colour over their rim. */
function rimmed(path: string, colour: string, width: number, opacity = 1): string {
  const line = (stroke: string, thick: number, solid: number) =>
    `<path fill="none" stroke="${stroke}" stroke-width="${thick}" opacity="${solid.toFixed(2)}" d="${path}"/>`;
  return line(paper(), width + 2 * RIM.reach, RIM.opacity) + line(colour, width, opacity);
}

export function arrowsSvg(): string {
  const shown = field.value;
  const at = currentLayout.value;
  if (!shown || !at || shown.embedding !== at.name || at.moved) return "";
  const { count: n, source, target } = arrowSegments(shown.positions, shown.vectors, at.frame, arrowStyle.value);
  const box = { ...viewSize.value, flip: flip.value };
  const lines: string[] = [];
  for (let i = 0; i < n; i++) {
    const a = toScreen(source[3 * i]!, source[3 * i + 1]!, camera.value, box);
    const b = toScreen(target[3 * i]!, target[3 * i + 1]!, camera.value, box);
    lines.push(`M${short(a[0])} ${short(a[1])}L${short(b[0])} ${short(b[1])}`);
  }
  return `<g class="arrows">${rimmed(lines.join(""), rgbHex(arrowColour()), arrowStyle.value.width)}</g>`;
}

export function lensSvg(): string {
  const lines = lensLinks().map(({ from, to, share }) => {
    const [a, b] = [screenOf(from), screenOf(to)];
    if (!a || !b) return "";
    const path = `M${short(a[0])} ${short(a[1])}L${short(b[0])} ${short(b[1])}`;
    return rimmed(path, rgbHex(lensColour()), 2, (50 + 205 * share) / 255);
  });
  return lines.length ? `<g class="lens">${lines.join("")}</g>` : "";
}

/** Radius and place of the ring in pixels of a view; null without a cell. */
export function ring(): { x: number; y: number; r: number; colour: string } | null {
  const at = screenOf(pinned.value);
  return at && { x: at[0], y: at[1], r: Math.max(radiusNow() + 2.5, 5), colour: accent() };
}

/** Widths of the ring and, first, of its rim: those of the style sheet. */
export const RING = [4, 2.5] as const;

export function ringSvg(): string {
  const at = ring();
  if (!at) return "";
  const circle = (stroke: string, width: number) =>
    `<circle cx="${short(at.x)}" cy="${short(at.y)}" r="${short(at.r)}" fill="none" stroke="${stroke}" stroke-width="${width}"/>`;
  return circle(paper(), RING[0]) + circle(at.colour, RING[1]);
}

export function regionsSvg(): string {
  const drawn = regions().map(({ corners, taken }) => {
    const line = (stroke: string, width: number) =>
      `<polygon points="${corners}" fill="none" stroke="${stroke}" stroke-width="${width}"${taken ? ' stroke-dasharray="4 3"' : ""}/>`;
    return line(paper(), 4) + line(accent(), 1.5);
  });
  return drawn.length ? `<g class="region">${drawn.join("")}</g>` : "";
}

export function pieceNamesSvg(): string {
  const names = pieceNames().map(
    ({ x, y, text }) => `<text x="${short(x)}" y="${short(y)}">${escapeXml(text)}</text>`,
  );
  const style = `font-size="12" font-weight="600" text-anchor="middle" paint-order="stroke" stroke="${paper()}" stroke-width="4"`;
  return names.length ? `<g ${style}>${names.join("")}</g>` : "";
}
