/** deck.gl's side of the stage: one canvas, one or two linked views, redrawn when a signal changes. */

import type { Layer } from "@deck.gl/core";
import { Deck, OrthographicController, OrthographicView } from "@deck.gl/core";
import { LineLayer } from "@deck.gl/layers";
import { batch, effect } from "@preact/signals";
import { BACKDROP } from "../colour/maps";
import { arrowStyle, field } from "../state/jobs";
import type { Pane, Shaded } from "../state/panes";
import { orderOf, panes } from "../state/panes";
import { drawnCount, flags, sampleShown } from "../state/select";
import {
  camera,
  currentLayout,
  fitted,
  flip,
  initial,
  layout,
  pointFactor,
  split,
  theme,
  tool,
  viewSize,
} from "../state/store";
import { arrowSegments } from "./arrows";
import { CellLayer } from "./cell-layer";
import { lensColour, lensLinks } from "./lens-lines";
import { RIM, arrowColour } from "./rims";
import { measureFrames } from "./timing";
import type { Camera } from "./world";
import { boundsOf, fit, pointRadius, sameCamera } from "./world";

const BLEND_MS = 450;
/** Width of the tools, below which no cell shall lie. */
const TOOLS = 48;
/** Above this the blend of two layouts would stutter without a GPU. */
const BLEND_CELLS = 250_000;

export interface Renderer {
  deck: Deck<OrthographicView[]>;
  fit(): void;
  zoomBy(step: number): void;
  /** Moves what is seen by pixels. */
  moveBy(right: number, down: number): void;
  /** Looks at some cells closely. */
  lookAt(cells: Iterable<number>): void;
  /** Draws now and waits until the pixels are there; milliseconds. */
  finish(): number;
  canvas(): HTMLCanvasElement;
  destroy(): void;
}

function views(isSplit: boolean, isFlipped: boolean): OrthographicView[] {
  const controller = {
    type: OrthographicController,
    dragPan: tool.value === "pan",
    scrollZoom: { speed: 0.008, smooth: false },
    doubleClickZoom: false,
    keyboard: false,
    inertia: false,
  };
  const make = (id: string, x: string, width: string) =>
    new OrthographicView({ id, x, width, flipY: isFlipped, controller, near: -10, far: 10 });
  return isSplit ? [make("a", "0%", "50%"), make("b", "50%", "50%")] : [make("a", "0%", "100%")];
}

function cellLayer(pane: Pane, from: Float32Array, to: Float32Array, blend: number): Layer | null {
  const now = pane.shaded.value;
  const size = viewSize.value;
  if (!now || now.bytes.length * 2 !== to.length) return null;
  const box = { ...size, flip: flip.value };
  return new CellLayer({
    id: `cells-${pane.key}`,
    n: now.bytes.length,
    from,
    to,
    blend,
    bytes: now.bytes,
    flags: flags.value,
    palette: pane.palette.value,
    radius: pointRadius(drawnCount.value, box, camera.value, fitted.value, pointFactor.value),
    backdrop: BACKDROP[theme.value],
    order: orderOf(now),
  });
}

interface Lines {
  id: string;
  count: number;
  source: Float32Array;
  target: Float32Array;
  colour: [number, number, number, number] | Uint8Array;
  width: number;
}

function lineLayer({ id, count, source, target, colour, width }: Lines): Layer {
  const perLine = colour instanceof Uint8Array;
  return new LineLayer({
    id,
    data: {
      length: count,
      attributes: {
        getSourcePosition: { value: source, size: 3 },
        getTargetPosition: { value: target, size: 3 },
        ...(perLine ? { getColor: { value: colour, size: 4, normalized: true } } : {}),
      },
    } as never,
    ...(perLine ? {} : { getColor: colour }),
    getWidth: width,
    widthUnits: "pixels",
    parameters: { depthCompare: "always", depthWriteEnabled: false },
  });
}

/** Lines with a rim in the colour of the page, so that they stand out from cells of any colour. */
function rimmed(lines: Lines): Layer[] {
  const paper: [number, number, number, number] = [...BACKDROP[theme.value], Math.round(255 * RIM.opacity)];
  return [
    lineLayer({ ...lines, id: lines.id.replace("-", "-rim-"), colour: paper, width: lines.width + 2 * RIM.reach }),
    lineLayer(lines),
  ];
}

function quiver(key: string): Layer[] | null {
  const shown = field.value;
  const at = currentLayout.value;
  if (!shown || !at || shown.embedding !== at.name || at.moved) return null;
  const segments = arrowSegments(shown.positions, shown.vectors, at.frame, arrowStyle.value);
  return rimmed({ id: `quiver-${key}`, ...segments, colour: [...arrowColour(), 255], width: arrowStyle.value.width });
}

function lensLines(key: string): Layer[] | null {
  const at = currentLayout.value;
  const links = lensLinks();
  if (!at || links.length === 0) return null;
  const source = new Float32Array(links.length * 3);
  const target = new Float32Array(links.length * 3);
  const colour = new Uint8Array(links.length * 4);
  links.forEach(({ from, to, share }, i) => {
    source.set([at.points[2 * from]!, at.points[2 * from + 1]!, 0], 3 * i);
    target.set([at.points[2 * to]!, at.points[2 * to + 1]!, 0], 3 * i);
    colour.set([...lensColour(), Math.round(50 + 205 * share)], 4 * i);
  });
  return rimmed({ id: `lens-${key}`, count: links.length, source, target, colour, width: 2 });
}

export function createRenderer(parent: HTMLDivElement, onFailure: (message: string) => void): Renderer {
  const drawn = new WeakSet<Shaded>();
  const painted = new Map<Pane, Shaded>();
  let from: Float32Array | null = null;
  let to: Float32Array | null = null;
  let blendStart = -Infinity;
  let frame = 0;

  const context = () => deck.getCanvas()?.getContext("webgl2") ?? null;

  const deck: Deck<OrthographicView[]> = new Deck<OrthographicView[]>({
    parent,
    views: views(false, false),
    viewState: { target: [0, 0, 0], zoom: 0 } as never,
    layers: [],
    deviceProps: { type: "webgl", webgl: { antialias: false } } as never,
    layerFilter: ({ layer, viewport }) => layer.id.endsWith(`-${viewport.id}`),
    onViewStateChange: ({ viewState }) => {
      const state = viewState as unknown as { target: number[]; zoom: number | [number, number] };
      const zoom = Array.isArray(state.zoom) ? state.zoom[0] : state.zoom;
      const next = { x: state.target[0] ?? 0, y: state.target[1] ?? 0, zoom };
      // deck.gl also reports drags that move nothing, and the same object means that nobody has moved the view
      if (!sameCamera(camera.peek(), next)) camera.value = next;
    },
    // the stage around it takes the keys
    onLoad: () => deck.getCanvas()?.setAttribute("tabindex", "-1"),
    onAfterRender: () => measureFrames(context(), drawn, painted),
    onError: (error) => onFailure(error.message),
    getCursor: ({ isDragging }) => (tool.peek() === "pan" ? (isDragging ? "grabbing" : "default") : "crosshair"),
  });

  function targetFit(): Camera | null {
    const at = currentLayout.peek();
    const { width, height } = viewSize.peek();
    if (!at || width === 0) return null;
    const one = sampleShown.peek();
    const some = one ? boundsOf(at.points, (i) => one.codes[i] === one.shown) : null;
    return fit(some ?? at.bounds, width, height, TOOLS);
  }

  function fitNow(): void {
    const next = targetFit();
    if (next) batch(() => ((fitted.value = next), (camera.value = next)));
  }

  /** Starts blending when the layout has changed. */
  function takeLayout(): void {
    const at = currentLayout.value;
    if (!at || at.points === to) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    from = to && to.length === at.points.length ? to : at.points;
    to = at.points;
    const blends = from !== to && !calm && at.points.length / 2 <= BLEND_CELLS;
    blendStart = blends ? performance.now() : -Infinity;
  }

  function paint(): void {
    takeLayout();
    if (!to) return;
    const at = Math.min((performance.now() - blendStart) / BLEND_MS, 1);
    const blend = at < 1 ? at * at * (3 - 2 * at) : 1;
    if (blend === 1) from = to;
    const shownPanes = split.value ? [panes.a, panes.b] : [panes.a];
    painted.clear();
    for (const pane of shownPanes) if (pane.shaded.value) painted.set(pane, pane.shaded.value);
    const layers = shownPanes.flatMap((pane) => [
      cellLayer(pane, from!, to!, blend),
      blend === 1 ? quiver(pane.key) : null,
      blend === 1 ? lensLines(pane.key) : null,
    ]);
    deck.setProps({
      layers,
      views: views(split.value, flip.value),
      viewState: { target: [camera.value.x, camera.value.y, 0], zoom: camera.value.zoom, minZoom: -4, maxZoom: 12 } as never,
    });
    if (blend < 1) {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(paint);
    }
  }

  let lastLayout = layout.peek();
  let lastSample = sampleShown.peek();
  let wanted = initial.camera;
  const stopFit = effect(() => {
    const size = viewSize.value;
    const at = currentLayout.value;
    if (!at || size.width === 0) return;
    const untouched = camera.peek() === fitted.peek();
    const one = sampleShown.value;
    if (untouched || at.name !== lastLayout || one !== lastSample) fitNow();
    lastSample = one;
    if (wanted) camera.value = wanted;
    wanted = null;
    lastLayout = at.name;
  });
  const stopPaint = effect(paint);

  return {
    deck,
    fit: fitNow,
    zoomBy(step) {
      camera.value = { ...camera.value, zoom: Math.min(Math.max(camera.value.zoom + step, -4), 12) };
    },
    moveBy(right, down) {
      const { x, y, zoom } = camera.value;
      const k = 2 ** zoom;
      camera.value = { x: x + right / k, y: y + ((flip.value ? 1 : -1) * down) / k, zoom };
    },
    lookAt(cells) {
      const points = currentLayout.peek()?.points;
      if (!points) return;
      const these = new Set(cells);
      const { width, height } = viewSize.peek();
      const bounds = boundsOf(points, (i) => these.has(i));
      if (!bounds) return;
      const close = fit(bounds, width * 0.7, height * 0.7);
      camera.value = { ...close, zoom: Math.min(close.zoom, fitted.peek().zoom + 7) };
    },
    finish() {
      const start = performance.now();
      deck.redraw("finish");
      const gl = context();
      gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      return performance.now() - start;
    },
    canvas() {
      deck.redraw("export");
      const canvas = deck.getCanvas();
      if (!canvas) throw new Error("There is no picture yet.");
      return canvas;
    },
    destroy() {
      stopFit();
      stopPaint();
      cancelAnimationFrame(frame);
      deck.finalize();
    },
  };
}
