/** What lies over the cells in a figure: lines of the lens, and the ring around the cell that is looked at. */

import { rgbHex } from "../colour/maps";
import { lensColour, lensLinks } from "../map/lens-lines";
import { radiusNow, screenOf } from "../map/pick";
import { pinned, theme } from "../state/store";

/** Radius and place of the ring in pixels of a view; null without a cell. */
export function ring(): { x: number; y: number; r: number; colour: string } | null {
  const at = screenOf(pinned.value);
  const colour = theme.value === "dark" ? "#5cc0c7" : "#0b6b74";
  return at && { x: at[0], y: at[1], r: Math.max(radiusNow() + 2.5, 5), colour };
}

export function ringSvg(): string {
  const at = ring();
  if (!at) return "";
  const circle = `cx="${at.x.toFixed(1)}" cy="${at.y.toFixed(1)}" r="${at.r.toFixed(1)}" fill="none"`;
  return `<circle ${circle} stroke="${at.colour}" stroke-width="2.5"/>`;
}

export function lensSvg(): string {
  const stroke = rgbHex(lensColour());
  const lines = lensLinks().map(({ from, to, share }) => {
    const [a, b] = [screenOf(from), screenOf(to)];
    if (!a || !b) return "";
    const opacity = ((50 + 205 * share) / 255).toFixed(2);
    return `<path d="M${a[0].toFixed(1)} ${a[1].toFixed(1)}L${b[0].toFixed(1)} ${b[1].toFixed(1)}" opacity="${opacity}"/>`;
  });
  return lines.length ? `<g fill="none" stroke="${stroke}" stroke-width="2">${lines.join("")}</g>` : "";
}
