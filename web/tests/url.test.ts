import { describe, expect, it } from "vitest";
import type { ColourSpec, Shared } from "../src/state/url";
import { fromHash, noShared, parseSpec, placeText, specText, toHash } from "../src/state/url";

const SPECS: ColourSpec[] = [
  { kind: "obs", name: "cell type: 50 % & more" },
  { kind: "expr", gene: "H2-Aa" },
  { kind: "beta", gene: "Pax5", column: "Tgfb1$Tgfbr1" },
  { kind: "beta", gene: "a:b", column: "L#TF" },
  { kind: "received", gene: "Ccl19", matrix: "tfl" },
  { kind: "delta", job: "00ff", gene: "Myc" },
];

describe("the address", () => {
  it.each(SPECS)("carries $kind", (spec) => {
    expect(parseSpec(specText(spec))).toEqual(spec);
  });

  it("carries a whole view", () => {
    const shared: Shared = {
      layout: "umap",
      a: { spec: SPECS[2]!, map: "cividis", range: { lo: -0.25, hi: 1e-4 } },
      b: { spec: SPECS[1]!, map: null, range: null },
      split: true,
      stretch: false,
      size: 1.5,
      flip: true,
      camera: { x: 10.5, y: -3, zoom: 1.25 },
      sample: "a:1",
      filter: "cell_type",
      hidden: ["B cell", "T & NK"],
      selection: [
        { op: "set", kind: "polygon", layout: "spatial", points: [[0, 0], [10.5, 0], [5, -7]], without: null, sample: null },
        { op: "add", kind: "polygon", layout: "umap", points: [[0, 0], [1, 0], [0, 1]], without: { column: "a:b", labels: ["x y"] }, sample: { column: "slide", label: "a:1" } },
        { op: "take", kind: "category", column: "cluster", category: "3", sample: null },
        { op: "add", kind: "category", column: "cluster", category: "4", sample: { column: "slide", label: "b" } },
        { kind: "inverse", sample: null },
        { kind: "inverse", sample: { column: "slide", label: "a:1" } },
      ],
      perturb: { targets: [{ gene: "Myc", dose: "x2" }, { gene: "Fos", dose: "0" }], scope: "cell_type", labels: ["a:b"], n: 3 },
      lens: { gene: "Fos", cell: 12 },
    };
    expect(fromHash(`#${toHash(shared)}`)).toEqual(shared);
  });

  it("tells views that one goes back to from those that only differ in how they are looked at", () => {
    const view: Shared = { ...noShared(), layout: "spatial", a: { spec: SPECS[1]!, map: null, range: null } };
    const camera = { x: 1, y: 2, zoom: 3 };
    const closer: Shared = { ...view, camera, size: 2, flip: true, a: { ...view.a, map: "magma", range: { lo: 0, hi: 1 } } };
    expect(placeText(closer)).toBe(placeText(view));
    for (const other of [
      { ...view, layout: "umap" },
      { ...view, a: { ...view.a, spec: SPECS[0]! } },
      { ...view, split: true },
      { ...view, sample: "b" },
      { ...view, hidden: ["B cell"] },
      { ...view, selection: [{ kind: "inverse", sample: null }] },
    ] satisfies Shared[]) expect(placeText(other)).not.toBe(placeText(view));
  });

  it("is short for a plain view", () => {
    expect(toHash(noShared())).toBe("");
    expect(fromHash("")).toEqual(noShared());
  });

  it.each(["#a=nonsense", "#a=expr:%E0%A4%A", "#cam=1,2", "#size=-3", "#sel=x:y:z", "#sel=%3D:p:spatial:1 2 x", "#a.range=3,1"])(
    "leaves out what makes no sense: %s",
    (hash) => {
      expect(fromHash(hash)).toMatchObject({ camera: null, size: 1, selection: [], a: { spec: null, range: null } });
    },
  );

  it("keeps steps of a perturbation within limits", () => {
    expect(fromHash("#target=Myc:0&steps=900").perturb).toEqual({ targets: [{ gene: "Myc", dose: "0" }], scope: "all", labels: [], n: 4 });
  });
});
