/** The stage as a figure: the canvas with title, colour bars, legend and scale bar around it, as PNG or SVG. */

import { categoryColour } from "../colour/categories";
import { mapStops, rgbHex } from "../colour/maps";
import { DIM, GONE } from "../map/flags";
import { radiusNow } from "../map/pick";
import { scaleBar } from "../map/scale";
import { renderer } from "../map/stage";
import { pieceNames } from "../map/piece-names";
import { regions } from "../map/regions";
import { toScreen } from "../map/world";
import type { Pane } from "../state/panes";
import { panes, specTitle, specUnit } from "../state/panes";
import { flags } from "../state/select";
import { camera, currentLayout, flip, layout, meta, obsColumn, split, theme, viewSize } from "../state/store";
import { count, number } from "../util/format";
import { fileName, save } from "./save";
import { RING, accent, arrowsSvg, lensSvg, paper, pieceNamesSvg, regionsSvg, ring, ringSvg } from "./marks";
import { escapeXml } from "./xml";

const HEAD = 54;
const LEGEND = 190;
/** Above this many visible cells an SVG holds the points as one picture, the rest stays vectors. */
const VECTOR_CELLS = 30_000;

const ink = () => (theme.value === "dark" ? "#e7eaee" : "#1b2026");
const shownPanes = (): Pane[] => (split.value ? [panes.a, panes.b] : [panes.a]);

interface Item {
  label: string;
  colour: string;
}

/** Labels of a categorical view; continuous views have their bar in the head. */
function legendItems(pane: Pane): Item[] {
  const now = pane.shaded.value;
  if (now?.form !== "categorical" || now.spec.kind !== "obs") return [];
  const labels = obsColumn(now.spec.name)?.categories ?? [];
  return labels.slice(0, 40).map((label, code) => ({ label, colour: rgbHex(categoryColour(code)) }));
}

/** Left end of the colour bar, after the words under the title. */
function barLeft(unit: string): number {
  return Math.max(170, Math.min(unit.length * 5.8 + 24, viewSize.value.width - 170));
}

/** Where zero lies between the ends of the colour bar; null if it lies at one of them or outside. */
function zeroAt(pane: Pane): number | null {
  if (pane.shaded.value?.form === "stretched") return 0.5;
  const { lo, hi } = pane.shown.value;
  const at = -lo / (hi - lo);
  return at > 0.15 && at < 0.85 ? at : null;
}

function headSvg(pane: Pane, x: number, id: string): string {
  const now = pane.shaded.value;
  if (!now) return "";
  const parts = [`<text x="${x}" y="20" font-size="15" font-weight="600">${escapeXml(specTitle(now.spec))}</text>`];
  const unit = specUnit(now.spec);
  if (unit) parts.push(`<text x="${x}" y="36" font-size="11" opacity="0.75">${escapeXml(unit)}</text>`);
  if (now.form !== "categorical") {
    const stops = mapStops(pane.mapName.value, theme.value)
      .map((rgb, i, all) => `<stop offset="${i / (all.length - 1)}" stop-color="${rgbHex(rgb)}"/>`)
      .join("");
    const { lo, hi } = pane.shown.value;
    const [a, b] = now.form === "stretched" ? ["−max", "+max of cluster"] : [number(lo), number(hi)];
    const left = x + barLeft(unit);
    const zero = zeroAt(pane);
    parts.push(
      `<linearGradient id="${id}">${stops}</linearGradient>`,
      `<rect x="${left}" y="10" width="150" height="9" fill="url(#${id})"/>`,
      `<text x="${left}" y="33" font-size="11">${escapeXml(a!)}</text>`,
      `<text x="${left + 150}" y="33" font-size="11" text-anchor="end">${escapeXml(b!)}</text>`,
      zero === null ? "" : `<text x="${(left + 150 * zero).toFixed(1)}" y="33" font-size="11" text-anchor="middle">0</text>`,
    );
  }
  return parts.join("");
}

function pointsSvg(): string {
  const at = currentLayout.value;
  if (!at) return "";
  const { width, height } = viewSize.value;
  const box = { width, height, flip: flip.value };
  const r = radiusNow();
  const groups: string[] = [];
  shownPanes().forEach((pane, k) => {
    const now = pane.shaded.value;
    if (!now) return;
    const table = pane.palette.value;
    const byColour = new Map<string, string[]>();
    for (let i = 0; i < now.bytes.length; i++) {
      if (flags.value[i]! & GONE) continue;
      const [x, y] = toScreen(at.points[2 * i]!, at.points[2 * i + 1]!, camera.value, box);
      if (x < -r || y < -r || x > width + r || y > height + r) continue;
      const b = now.bytes[i]! * 4;
      const colour = rgbHex([table[b]!, table[b + 1]!, table[b + 2]!]);
      const key = `${(flags.value[i]! & DIM) !== 0 ? "0.18" : "1"} ${colour}`;
      const list = byColour.get(key) ?? [];
      list.push(`M${x.toFixed(1)} ${y.toFixed(1)}h0`);
      byColour.set(key, list);
    }
    const paths = [...byColour].sort().map(([key, list]) => {
      const [opacity, colour] = key.split(" ");
      return `<path stroke="${colour}" opacity="${opacity}" d="${list.join("")}"/>`;
    });
    groups.push(
      `<svg x="${k * width}" y="${HEAD}" width="${width}" height="${height}"><g fill="none" stroke-width="${(2 * r).toFixed(2)}" stroke-linecap="round">${paths.join("")}</g></svg>`,
    );
  });
  return groups.join("");
}

/** The same drawing over every view, cut off at its border. */
function overViews(drawing: string): string {
  const { width, height } = viewSize.value;
  if (!drawing) return "";
  return shownPanes()
    .map((_, k) => `<svg x="${k * width}" y="${HEAD}" width="${width}" height="${height}">${drawing}</svg>`)
    .join("");
}

function figure(vector: boolean): { svg: string; width: number; height: number } {
  const canvas = renderer.value?.canvas();
  if (!canvas || !meta.value) throw new Error("There is no picture yet.");
  const { width: each, height } = viewSize.value;
  const width = each * shownPanes().length;
  const items = shownPanes().flatMap(legendItems);
  const total = width + (items.length ? LEGEND : 0);
  const legend = items
    .map(
      ({ label, colour }, i) =>
        `<rect x="${width + 14}" y="${HEAD + 6 + i * 18}" width="11" height="11" rx="2" fill="${colour}"/>` +
        `<text x="${width + 32}" y="${HEAD + 16 + i * 18}" font-size="12">${escapeXml(label)}</text>`,
    )
    .join("");
  const body = vector
    ? pointsSvg() + overViews(arrowsSvg() + lensSvg() + regionsSvg() + pieceNamesSvg() + ringSvg())
    : `<image x="0" y="${HEAD}" width="${width}" height="${height}" href="${canvas.toDataURL("image/png")}"/>${overViews(regionsSvg() + pieceNamesSvg() + ringSvg())}`;
  const bar = scaleBar();
  const scale = bar
    ? `<path fill="none" stroke="${ink()}" stroke-width="1.5" d="M${width - 14 - bar.pixels} ${HEAD + height + 4}v6h${bar.pixels}v-6"/>` +
      `<text x="${width - 20 - bar.pixels}" y="${HEAD + height + 12}" font-size="11" text-anchor="end">${bar.text}</text>`
    : "";
  const foot = `${meta.value.title} · ${count(meta.value.n_obs)} cells · ${layout.value}`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${total}" height="${HEAD + height + 22}" ` +
    `viewBox="0 0 ${total} ${HEAD + height + 22}" font-family="Helvetica, Arial, sans-serif" fill="${ink()}">` +
    `<rect width="100%" height="100%" fill="${paper()}"/>` +
    shownPanes()
      .map((pane, k) => headSvg(pane, k * each + 14, `ramp-${pane.key}`))
      .join("") +
    body +
    legend +
    scale +
    `<text x="14" y="${HEAD + height + 15}" font-size="10" opacity="0.7">${escapeXml(foot)}</text></svg>`;
  return { svg, width: total, height: HEAD + height + 22 };
}

function name(ending: string): string {
  const spec = panes.a.spec.value;
  return fileName(meta.value?.title ?? "cells", spec ? specTitle(spec) : "view", `${layout.value}.${ending}`);
}

export function saveSvg(): void {
  const vector = (meta.value?.n_obs ?? 0) <= VECTOR_CELLS;
  save(new Blob([figure(vector).svg], { type: "image/svg+xml" }), name("svg"));
}

/** Drawn directly: a page that allows no `data:` pictures could not load its own SVG into a canvas. */
export async function savePng(): Promise<void> {
  const canvas = renderer.value?.canvas();
  if (!canvas || !meta.value) throw new Error("There is no picture yet.");
  const { width: each, height } = viewSize.value;
  const width = each * shownPanes().length;
  const k = canvas.width / width;
  const items = shownPanes().flatMap(legendItems);
  const out = new OffscreenCanvas((width + (items.length ? LEGEND : 0)) * k, (HEAD + height + 22) * k);
  const draw = out.getContext("2d")!;
  draw.scale(k, k);
  draw.fillStyle = paper();
  draw.fillRect(0, 0, out.width, out.height);
  draw.drawImage(canvas, 0, HEAD, width, height);
  shownPanes().forEach((_, i) => drawMarks(draw, i * each));
  shownPanes().forEach((pane, i) => drawHead(draw, pane, i * each + 14));
  draw.font = "12px Helvetica, Arial, sans-serif";
  items.forEach(({ label, colour }, i) => {
    draw.fillStyle = colour;
    draw.fillRect(width + 14, HEAD + 6 + i * 18, 11, 11);
    draw.fillStyle = ink();
    draw.fillText(label, width + 32, HEAD + 16 + i * 18);
  });
  draw.font = "10px Helvetica, Arial, sans-serif";
  draw.fillText(`${meta.value.title} · ${count(meta.value.n_obs)} cells · ${layout.value}`, 14, HEAD + height + 15);
  const bar = scaleBar();
  if (bar) {
    const [x, y] = [width - 14 - bar.pixels, HEAD + height + 4];
    draw.strokeStyle = ink();
    draw.lineWidth = 1.5;
    draw.beginPath();
    draw.moveTo(x, y);
    draw.lineTo(x, y + 6);
    draw.lineTo(x + bar.pixels, y + 6);
    draw.lineTo(x + bar.pixels, y);
    draw.stroke();
    draw.textAlign = "right";
    draw.fillText(bar.text, x - 6, y + 8);
  }
  save(await out.convertToBlob({ type: "image/png" }), name("png"));
}

/** What the page itself draws over the canvas. */
function drawMarks(draw: OffscreenCanvasRenderingContext2D, left: number): void {
  const { width, height } = viewSize.value;
  draw.save();
  draw.beginPath();
  draw.rect(left, HEAD, width, height);
  draw.clip();
  draw.translate(left, HEAD);
  for (const { corners, taken } of regions()) {
    const outline = new Path2D(`M${corners.replaceAll(" ", "L")}Z`);
    draw.setLineDash(taken ? [4, 3] : []);
    for (const [colour, thick] of [[paper(), 4], [accent(), 1.5]] as const) {
      draw.strokeStyle = colour;
      draw.lineWidth = thick;
      draw.stroke(outline);
    }
  }
  draw.setLineDash([]);
  draw.font = "600 12px Helvetica, Arial, sans-serif";
  draw.textAlign = "center";
  draw.lineJoin = "round";
  draw.lineWidth = 4;
  for (const { x, y, text } of pieceNames()) {
    draw.strokeStyle = paper();
    draw.strokeText(text, x, y);
    draw.fillStyle = ink();
    draw.fillText(text, x, y);
  }
  const at = ring();
  if (at) {
    draw.beginPath();
    draw.arc(at.x, at.y, at.r, 0, 2 * Math.PI);
    [paper(), at.colour].forEach((colour, i) => {
      draw.strokeStyle = colour;
      draw.lineWidth = RING[i]!;
      draw.stroke();
    });
  }
  draw.restore();
}

function drawHead(draw: OffscreenCanvasRenderingContext2D, pane: Pane, x: number): void {
  const now = pane.shaded.value;
  if (!now) return;
  draw.fillStyle = ink();
  draw.font = "600 15px Helvetica, Arial, sans-serif";
  draw.fillText(specTitle(now.spec), x, 20);
  draw.font = "11px Helvetica, Arial, sans-serif";
  draw.fillText(specUnit(now.spec), x, 36);
  if (now.form === "categorical") return;
  const left = x + barLeft(specUnit(now.spec));
  const ramp = draw.createLinearGradient(left, 0, left + 150, 0);
  mapStops(pane.mapName.value, theme.value).forEach((rgb, i, all) => ramp.addColorStop(i / (all.length - 1), rgbHex(rgb)));
  draw.fillStyle = ramp;
  draw.fillRect(left, 10, 150, 9);
  draw.fillStyle = ink();
  const { lo, hi } = pane.shown.value;
  const [a, b] = now.form === "stretched" ? ["−max", "+max of cluster"] : [number(lo), number(hi)];
  draw.fillText(a!, left, 33);
  const zero = zeroAt(pane);
  draw.textAlign = "center";
  if (zero !== null) draw.fillText("0", left + 150 * zero, 33);
  draw.textAlign = "right";
  draw.fillText(b!, left + 150, 33);
  draw.textAlign = "left";
}
