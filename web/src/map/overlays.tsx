/** Light marks over the canvas: rings around cells, the tooltip, the scale bar. They move without a redraw. */

import { signal, useSignalEffect } from "@preact/signals";
import { categoryColour } from "../colour/categories";
import { rgbHex } from "../colour/maps";
import type { Column } from "../api/columns";
import { valueOf } from "../api/columns";
import type { Pane } from "../state/panes";
import { exactValues, panes, specTitle } from "../state/panes";
import type { ColourSpec } from "../state/url";
import { filterCodes, filterColumn } from "../state/select";
import { hovered, obsColumn, pinned, pointer, split, viewSize } from "../state/store";
import { openSide } from "../app";
import { openSection } from "../ui/parts";
import { number } from "../util/format";
import { radiusNow, screenOf } from "./pick";
import { pieceNames } from "./piece-names";
import { regions } from "./regions";
import { scaleBar } from "./scale";

function Ring({ cell, kind }: { cell: number; kind: string }) {
  const at = screenOf(cell);
  if (!at) return null;
  const r = Math.max(radiusNow() + 2.5, 5);
  const shifts = split.value ? [0, viewSize.value.width] : [0];
  return (
    <>
      {shifts.map((dx) => (
        <g class={`ring ${kind}`} key={dx}>
          <circle class="halo" cx={at[0] + dx} cy={at[1]} r={r} />
          <circle cx={at[0] + dx} cy={at[1]} r={r} />
        </g>
      ))}
    </>
  );
}

export function PieceNames() {
  const shifts = split.value ? [0, viewSize.value.width] : [0];
  return (
    <>
      {pieceNames().flatMap(({ x, y, text }) =>
        shifts.map((dx) => (
          <text class="piece-name" key={`${text} ${x} ${y} ${dx}`} x={x + dx} y={y}>
            {text}
          </text>
        )),
      )}
    </>
  );
}

export function Regions() {
  const shifts = split.value ? [0, viewSize.value.width] : [0];
  const { width, height } = viewSize.value;
  return (
    <>
      {shifts.map((dx) => (
        <svg key={dx} x={dx} width={width} height={height}>
          {regions().map(({ corners, taken }, i) => (
            <g class={taken ? "region taken" : "region"} key={i}>
              <polygon class="halo" points={corners} />
              <polygon points={corners} />
            </g>
          ))}
        </svg>
      ))}
    </>
  );
}

export function Cursor() {
  return (
    <>
      {pinned.value >= 0 && <Ring cell={pinned.value} kind="pinned" />}
      {hovered.value >= 0 && <Ring cell={hovered.value} kind="hover" />}
    </>
  );
}

/** Exact columns of what is shown, fetched when somebody first points at a cell. */
const exact = signal<Partial<Record<"a" | "b", { spec: ColourSpec; column: Column }>>>({});

function useExact(): void {
  useSignalEffect(() => {
    if (hovered.value < 0) return;
    for (const pane of [panes.a, panes.b]) {
      const now = pane.shaded.value;
      if (!now || now.form === "categorical") continue;
      exactValues(now.spec).then(
        (column) => {
          if (exact.peek()[pane.key]?.column === column) return;
          exact.value = { ...exact.peek(), [pane.key]: { spec: now.spec, column } };
        },
        () => undefined,
      );
      if (!split.value) break;
    }
  });
}

function paneValue(pane: Pane, cell: number): string {
  const now = pane.shaded.value;
  if (!now) return "–";
  if (now.form === "categorical" && now.spec.kind === "obs") {
    const code = now.column.values[cell]!;
    return obsColumn(now.spec.name)?.categories?.[code] ?? "missing";
  }
  const known = exact.value[pane.key];
  const column = known?.spec === now.spec ? known.column : now.column;
  const value = valueOf(column, cell);
  return Number.isNaN(value) ? "no value" : column.dtype === "f32" ? number(value) : `≈ ${number(value)}`;
}

export function Tooltip() {
  useExact();
  const cell = hovered.value;
  const at = pointer.value;
  if (cell < 0 || !at) return null;
  const code = filterCodes.value?.values[cell];
  const label = code === undefined ? undefined : filterColumn.value?.categories?.[code];
  const width = viewSize.value.width * (split.value ? 2 : 1);
  const style = {
    left: at.x > width - 240 ? "auto" : `${at.x + 14}px`,
    right: at.x > width - 240 ? `${width - at.x + 14}px` : "auto",
    top: at.y > viewSize.value.height - 120 ? "auto" : `${at.y + 14}px`,
    bottom: at.y > viewSize.value.height - 120 ? `${viewSize.value.height - at.y + 14}px` : "auto",
  };
  const rows = split.value ? [panes.a, panes.b] : [panes.a];
  return (
    <div class="tooltip" style={style} role="tooltip">
      {label !== undefined && (
        <div class="tip-type">
          <i class="swatch" style={{ background: rgbHex(categoryColour(code ?? 0)) }} />
          {label}
        </div>
      )}
      {rows.map((pane) => {
        const spec = pane.spec.value;
        if (!spec || (spec.kind === "obs" && spec.name === filterColumn.value?.name)) return null;
        return (
          <div class="tip-row" key={pane.key}>
            <span>
              {split.value && `${pane.key.toUpperCase()}: `}
              {specTitle(spec)}
            </span>
            <b>{paneValue(pane, cell)}</b>
          </div>
        );
      })}
      <div class="tip-index">cell {cell}</div>
    </div>
  );
}

function explainScale(): void {
  openSide("left");
  openSection("dataset");
}

export function ScaleBar() {
  const bar = scaleBar();
  if (!bar) return null;
  return (
    <div class="scale">
      <div role="img" aria-label={`Scale bar: ${bar.text}`}>
        <span>{bar.text}</span>
        <i style={{ width: `${bar.pixels}px` }} />
      </div>
      {!bar.known && (
        <button class="inline" title="How long a coordinate unit is, and how to tell" onClick={explainScale}>
          scale unknown
        </button>
      )}
    </div>
  );
}
