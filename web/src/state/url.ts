/** The part of the state that makes a view, as text for the address bar, so that a link shows the same picture. */

import type { MapName } from "../colour/maps";
import { MAP_NAMES } from "../colour/maps";
import type { Range } from "../colour/palette";
import type { Camera } from "../map/world";

export type ColourSpec =
  | { kind: "obs"; name: string }
  | { kind: "expr"; gene: string }
  | { kind: "beta"; gene: string; column: string }
  | { kind: "received"; gene: string; matrix: "lr" | "tfl" }
  | { kind: "delta"; job: string; gene: string };

interface StepParts {
  op: "set" | "add" | "take";
  /** The piece of tissue that was shown, if only one was: cells of others are not reached. */
  sample: { column: string; label: string } | null;
}

export type SelectionStep =
  | (StepParts & {
      kind: "polygon";
      layout: string;
      points: [number, number][];
      /** Groups that were unticked when it was drawn, and their column: an outline does not reach their cells. */
      without: { column: string; labels: string[] } | null;
    })
  | (StepParts & { kind: "category"; column: string; category: string })
  /** All cells but those of the steps before, of the piece of tissue that was shown. */
  | { kind: "inverse"; sample: StepParts["sample"] };

export interface PaneState {
  spec: ColourSpec | null;
  map: MapName | null;
  range: Range | null;
}

export interface PerturbForm {
  targets: { gene: string; dose: string }[];
  scope: "all" | "selection" | "cell_type" | "cluster";
  labels: string[];
  n: number;
}

export interface Shared {
  layout: string | null;
  a: PaneState;
  b: PaneState;
  split: boolean;
  stretch: boolean;
  size: number;
  flip: boolean;
  camera: Camera | null;
  sample: string | null;
  filter: string | null;
  hidden: string[];
  selection: SelectionStep[];
  perturb: PerturbForm | null;
  lens: { gene: string; cell: number } | null;
}

const NO_PANE: PaneState = { spec: null, map: null, range: null };

export function noShared(): Shared {
  return {
    layout: null,
    a: { ...NO_PANE },
    b: { ...NO_PANE },
    split: false,
    stretch: true,
    size: 1,
    flip: false,
    camera: null,
    sample: null,
    filter: null,
    hidden: [],
    selection: [],
    perturb: null,
    lens: null,
  };
}

const join = (parts: readonly (string | number)[]): string => parts.map((p) => encodeURIComponent(p)).join(":");
const split = (text: string): string[] => text.split(":").map((part) => decodeURIComponent(part));
/** A coordinate to a thousandth of a world unit: a fraction of a pixel at any useful magnification. */
export const place = (value: number): number => Math.round(value * 1000) / 1000;
const short = (value: number): number => Number(value.toPrecision(5));

export function specText(spec: ColourSpec): string {
  switch (spec.kind) {
    case "obs":
      return join(["obs", spec.name]);
    case "expr":
      return join(["expr", spec.gene]);
    case "beta":
      return join(["beta", spec.gene, spec.column]);
    case "received":
      return join(["received", spec.gene, spec.matrix]);
    case "delta":
      return join(["delta", spec.job, spec.gene]);
  }
}

export function parseSpec(text: string): ColourSpec | null {
  const [kind, first, second] = split(text);
  if (!first) return null;
  if (kind === "obs") return { kind, name: first };
  if (kind === "expr") return { kind, gene: first };
  if (kind === "beta" && second) return { kind, gene: first, column: second };
  if (kind === "received") return { kind, gene: first, matrix: second === "tfl" ? "tfl" : "lr" };
  if (kind === "delta" && second) return { kind, job: first, gene: second };
  return null;
}

const OPS = { set: "=", add: "+", take: "-" } as const;

const INVERSE = "!";

function stepText(step: SelectionStep): string {
  const of = step.sample ? [step.sample.column, step.sample.label] : [];
  if (step.kind === "inverse") return join([INVERSE, ...of]);
  const op = OPS[step.op];
  if (step.kind === "category") return join([op, "c", step.column, step.category, ...of]);
  const outline = step.points.map(([x, y]) => `${place(x)} ${place(y)}`).join(" ");
  const without = step.without ? [step.without.column, ...step.without.labels] : [];
  return join([op, step.sample ? "s" : "p", step.layout, outline, ...of, ...without]);
}

function parseStep(text: string): SelectionStep | null {
  const [sign, kind, name, rest, ...more] = split(text);
  if (sign === INVERSE) return { kind: "inverse", sample: kind && name !== undefined ? { column: kind, label: name } : null };
  const op = (Object.keys(OPS) as (keyof typeof OPS)[]).find((key) => OPS[key] === sign);
  if (!op || !name || rest === undefined) return null;
  const [of, label] = kind === "s" || kind === "c" ? more.splice(0, 2) : [];
  const sample = of && label !== undefined ? { column: of, label } : null;
  if (kind === "c") return { op, kind: "category", column: name, category: rest, sample };
  const numbers = rest.split(" ").map(Number);
  if (numbers.length < 6 || numbers.length % 2 || numbers.some((x) => !Number.isFinite(x))) return null;
  const points = Array.from({ length: numbers.length / 2 }, (_, i): [number, number] => [
    numbers[2 * i]!,
    numbers[2 * i + 1]!,
  ]);
  const [column, ...labels] = more;
  return { op, kind: "polygon", layout: name, points, without: column ? { column, labels } : null, sample };
}

function writePane(query: URLSearchParams, key: "a" | "b", pane: PaneState): void {
  if (pane.spec) query.set(key, specText(pane.spec));
  if (pane.map) query.set(`${key}.map`, pane.map);
  if (pane.range) query.set(`${key}.range`, `${short(pane.range.lo)},${short(pane.range.hi)}`);
}

function readPane(query: URLSearchParams, key: "a" | "b"): PaneState {
  const spec = query.get(key);
  const map = query.get(`${key}.map`) as MapName | null;
  const [lo, hi] = (query.get(`${key}.range`) ?? "").split(",").map(Number);
  const range = lo !== undefined && hi !== undefined && lo < hi ? { lo, hi } : null;
  return { spec: spec ? parseSpec(spec) : null, map: map && MAP_NAMES.includes(map) ? map : null, range };
}

export function toHash(shared: Shared): string {
  const query = new URLSearchParams();
  if (shared.layout) query.set("layout", shared.layout);
  writePane(query, "a", shared.a);
  if (shared.split) {
    query.set("split", "1");
    writePane(query, "b", shared.b);
  }
  if (!shared.stretch) query.set("stretch", "0");
  if (shared.size !== 1) query.set("size", String(short(shared.size)));
  if (shared.flip) query.set("flip", "1");
  if (shared.camera) {
    const { x, y, zoom } = shared.camera;
    query.set("cam", [place(x), place(y), zoom.toFixed(2)].join(","));
  }
  if (shared.sample) query.set("sample", shared.sample);
  if (shared.filter) query.set("types", shared.filter);
  for (const label of shared.hidden) query.append("hide", label);
  for (const step of shared.selection) query.append("sel", stepText(step));
  if (shared.perturb) {
    for (const { gene, dose } of shared.perturb.targets) query.append("target", join([gene, dose]));
    query.set("scope", join([shared.perturb.scope, ...shared.perturb.labels]));
    query.set("steps", String(shared.perturb.n));
  }
  if (shared.lens) query.set("lens", join([shared.lens.gene, shared.lens.cell]));
  return query.toString();
}

function readPerturb(query: URLSearchParams): PerturbForm | null {
  const targets = query.getAll("target").flatMap((text) => {
    const [gene, dose] = split(text);
    return gene ? [{ gene, dose: dose ?? "0" }] : [];
  });
  if (!targets.length) return null;
  const [scope, ...labels] = split(query.get("scope") ?? "all");
  const known = scope === "selection" || scope === "cell_type" || scope === "cluster";
  const n = Math.round(Number(query.get("steps")));
  return { targets, scope: known ? scope : "all", labels, n: n >= 1 && n <= 32 ? n : 4 };
}

/** The part of a view that one goes back to: what is shown, and of which cells; not how near or in which colours. */
export function placeText(shared: Shared): string {
  const { layout, a, b, sample, filter, hidden, selection, lens } = shared;
  const only = (pane: PaneState): PaneState => ({ ...NO_PANE, spec: pane.spec });
  return toHash({ ...noShared(), layout, a: only(a), b: only(b), split: shared.split, sample, filter, hidden, selection, lens });
}

/** Reads what it can; a part that makes no sense is left out rather than refused. */
export function fromHash(hash: string): Shared {
  const shared = noShared();
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  try {
    shared.layout = query.get("layout");
    shared.a = readPane(query, "a");
    shared.b = readPane(query, "b");
    shared.split = query.get("split") === "1";
    shared.stretch = query.get("stretch") !== "0";
    const size = Number(query.get("size"));
    if (size > 0 && size <= 10) shared.size = size;
    shared.flip = query.get("flip") === "1";
    const camera = (query.get("cam") ?? "").split(",").map(Number);
    if (camera.length === 3 && camera.every(Number.isFinite)) {
      shared.camera = { x: camera[0]!, y: camera[1]!, zoom: camera[2]! };
    }
    shared.sample = query.get("sample");
    shared.filter = query.get("types");
    shared.hidden = query.getAll("hide");
    shared.selection = query.getAll("sel").flatMap((text) => parseStep(text) ?? []);
    shared.perturb = readPerturb(query);
    const [gene, cell] = split(query.get("lens") ?? "");
    if (gene && Number.isInteger(Number(cell))) shared.lens = { gene, cell: Number(cell) };
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  return shared;
}
