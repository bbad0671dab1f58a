/** The middle of the page: the canvas, what is drawn over it, and the pointer. */

import { batch, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Cursor, PieceNames, Regions, ScaleBar, Tooltip } from "./overlays";
import { PaneHead } from "./pane-head";
import { cellAt, paneAt, worldAt } from "./pick";
import type { Renderer } from "./renderer";
import { createRenderer } from "./renderer";
import { Toolbar } from "./toolbar";
import { lensBusy } from "../state/lens";
import { panes } from "../state/panes";
import { applyStep, flags, sampleNow, withoutNow } from "../state/select";
import { hovered, layout, pin, pointer, report, split, tool, viewSize } from "../state/store";

export const renderer = signal<Renderer | null>(null);
/** Outline being drawn, in pixels of the stage. */
const outline = signal<[number, number][]>([]);

/** Gives an outline up that is being drawn; false if there is none. */
export function dropOutline(): boolean {
  const drawing = outline.value.length > 0;
  outline.value = [];
  return drawing;
}

/** Takes the cell nearest to the middle of the view. */
export function pinMiddle(): void {
  const { width, height } = viewSize.value;
  pin(cellAt(width / 2, height / 2, Math.min(width, height) / 3));
}

/** Selects the cells that are seen: what a box does, without dragging. */
export function selectInView(): void {
  const { width, height } = viewSize.value;
  void applyStep({
    op: "set",
    kind: "polygon",
    layout: layout.value,
    points: boxOf([[0, 0], [width, height]]).map(([x, y]) => worldAt(x, y)),
    without: withoutNow(),
    sample: sampleNow(),
  });
}

function place(event: PointerEvent | MouseEvent, element: HTMLElement): [number, number] {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function finishOutline(event: PointerEvent): void {
  const drawn = outline.value;
  outline.value = [];
  const points = tool.value === "box" ? boxOf(drawn) : drawn;
  if (points.length < 3) return;
  void applyStep({
    op: event.shiftKey ? "add" : event.altKey ? "take" : "set",
    kind: "polygon",
    layout: layout.value,
    points: points.map(([x, y]) => worldAt(x, y)),
    without: withoutNow(),
    sample: sampleNow(),
  });
}

function boxOf(drawn: [number, number][]): [number, number][] {
  const [a, b] = [drawn[0], drawn.at(-1)];
  if (!a || !b || Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]) < 4) return [];
  return [a, [b[0], a[1]], b, [a[0], b[1]]];
}

/** Pointer handling of the stage; deck.gl keeps panning and zooming. */
function usePointer(ref: { current: HTMLDivElement | null }): void {
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const stop = new AbortController();
    let down: [number, number] | null = null;
    let queued = 0;

    const hover = (event: PointerEvent) => {
      const [x, y] = place(event, element);
      cancelAnimationFrame(queued);
      queued = requestAnimationFrame(() => {
        batch(() => {
          pointer.value = { x, y, pane: paneAt(x) };
          hovered.value = cellAt(x, y);
        });
      });
    };
    const options = { signal: stop.signal };
    element.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button !== 0 || !(event.target instanceof HTMLCanvasElement)) return;
        down = place(event, element);
        if (tool.value === "pan") return;
        element.setPointerCapture(event.pointerId);
        outline.value = [down];
        hovered.value = -1;
      },
      { ...options, capture: true },
    );
    element.addEventListener(
      "pointermove",
      (event) => {
        if (outline.value.length === 0) {
          if (event.buttons === 0 && event.target instanceof HTMLCanvasElement) hover(event);
          return;
        }
        const at = place(event, element);
        const last = outline.value.at(-1)!;
        if (Math.abs(at[0] - last[0]) + Math.abs(at[1] - last[1]) >= 3) {
          outline.value = tool.value === "box" ? [outline.value[0]!, at] : [...outline.value, at];
        }
      },
      options,
    );
    element.addEventListener(
      "pointerup",
      (event) => {
        const drew = outline.value.length > 2;
        if (outline.value.length) finishOutline(event);
        const at = place(event, element);
        const still = down && Math.abs(at[0] - down[0]) + Math.abs(at[1] - down[1]) < 4;
        down = null;
        if (still && !drew) pin(cellAt(...at));
      },
      options,
    );
    element.addEventListener("pointercancel", () => (outline.value = []), options);
    element.addEventListener(
      "pointerleave",
      () => {
        cancelAnimationFrame(queued);
        batch(() => ((hovered.value = -1), (pointer.value = null)));
      },
      options,
    );
    return () => stop.abort();
  }, []);
}

function Outline() {
  const drawn = outline.value;
  if (drawn.length < 2) return null;
  const points = tool.value === "box" ? boxOf(drawn) : drawn;
  const drawing = points.map((p) => p.join(",")).join(" ");
  return (
    <>
      <polygon class="outline-halo" points={drawing} />
      <polygon class="outline" points={drawing} />
    </>
  );
}

export function Stage() {
  const holder = useRef<HTMLDivElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  usePointer(stage);

  useEffect(() => {
    const parent = holder.current;
    const frame = stage.current;
    if (!parent || !frame) return;
    const measure = () => {
      const { clientWidth, clientHeight } = frame;
      viewSize.value = { width: split.value ? clientWidth / 2 : clientWidth, height: clientHeight };
    };
    const observer = new ResizeObserver(measure);
    observer.observe(frame);
    measure();
    const made = createRenderer(parent, (message) => report(new Error(`The picture cannot be drawn: ${message}`)));
    renderer.value = made;
    const stopSplit = split.subscribe(measure);
    return () => {
      observer.disconnect();
      stopSplit();
      renderer.value = null;
      made.destroy();
    };
  }, []);

  const busy = panes.a.busy.value || (split.value && panes.b.busy.value) || lensBusy.value;
  return (
    <main
      class="stage"
      ref={stage}
      tabIndex={0}
      data-tool={tool.value}
      aria-label="Map of the cells: arrows move it, plus and minus zoom, Enter takes the cell in the middle"
      aria-busy={busy}
      data-cells={flags.value.length}
    >
      <div class="canvas" ref={holder} />
      <svg class="over" aria-hidden="true">
        <Regions />
        <PieceNames />
        <Outline />
        <Cursor />
      </svg>
      <div class={split.value ? "heads two" : "heads"}>
        <PaneHead pane={panes.a} />
        {split.value && <PaneHead pane={panes.b} />}
      </div>
      <Toolbar />
      <ScaleBar />
      <Tooltip />
    </main>
  );
}
