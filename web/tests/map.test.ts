import { describe, expect, it } from "vitest";
import { arrowSegments, gridStep } from "../src/map/arrows";
import { BLOCKED, DIM, GONE, cellFlags } from "../src/map/flags";
import { PointGrid, contains, simplify } from "../src/map/grid";
import { NOWHERE, boundsOf, fit, frameOf, pointRadius, sameCamera, toScreen, toWorld, toWorldPoint, worldBounds } from "../src/map/world";

/** A repeatable stream of numbers in 0..1. */
function stream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

function cloud(n: number, seed: number): Float32Array {
  const next = stream(seed);
  return Float32Array.from({ length: 2 * n }, () => next() * 1000 - 500);
}

describe("lasso", () => {
  it("finds exactly the points that a test of each point finds", () => {
    for (let trial = 0; trial < 30; trial++) {
      const points = cloud(trial < 3 ? 5 : 4000, trial + 1);
      const next = stream(trial + 100);
      const corners = 3 + Math.floor(next() * 30);
      const polygon = Array.from({ length: corners }, (): [number, number] => [next() * 1400 - 700, next() * 1400 - 700]);
      if (trial % 3 === 0) polygon.push([polygon[0]![0], polygon[1]![1]]);
      const marks = new Uint8Array(points.length / 2);
      new PointGrid(points).inside(polygon, marks);
      const slow = Uint8Array.from(marks, (_, i) => Number(contains(polygon, points[2 * i]!, points[2 * i + 1]!)));
      expect(marks).toEqual(slow);
    }
  });

  it("selects a box with edges along the grid", () => {
    const points = cloud(2000, 9);
    const marks = new Uint8Array(2000);
    new PointGrid(points).inside([[-100, -100], [100, -100], [100, 100], [-100, 100]], marks);
    const slow = Uint8Array.from(marks, (_, i) => Number(Math.abs(points[2 * i]!) < 100 && Math.abs(points[2 * i + 1]!) < 100));
    expect(marks).toEqual(slow);
  });

  it("ignores outlines without an area and cells without a place", () => {
    const marks = new Uint8Array(1);
    const grid = new PointGrid(Float32Array.from([NOWHERE, NOWHERE]));
    grid.inside([[0, 0], [1, 1]], marks);
    grid.inside([[-9e9, -9e9], [9e9, -9e9], [0, 9e9]], marks);
    expect(marks[0]).toBe(0);
    expect(grid.nearest(0, 0, 1e9, () => true)).toBe(-1);
  });

  it("keeps the corners that matter", () => {
    const circle = Array.from({ length: 500 }, (_, i): [number, number] => [Math.cos(i / 80), Math.sin(i / 80)]);
    expect(simplify(circle, 64)).toHaveLength(64);
    const square: [number, number][] = [[0, 0], [5, 0.001], [10, 0], [10, 10], [0, 10]];
    expect(simplify(square, 4)).toEqual([[0, 0], [10, 0], [10, 10], [0, 10]]);
  });
});

describe("nearest cell", () => {
  it("agrees with looking at every cell", () => {
    const points = cloud(3000, 4);
    const grid = new PointGrid(points);
    const next = stream(77);
    for (let trial = 0; trial < 200; trial++) {
      const [x, y, r] = [next() * 1000 - 500, next() * 1000 - 500, next() * 40];
      const usable = (i: number) => i % 3 !== 0;
      const far = (i: number) => Math.hypot(points[2 * i]! - x, points[2 * i + 1]! - y);
      let best = -1;
      for (let i = 0; i < 3000; i++) if (usable(i) && far(i) <= r && (best < 0 || far(i) < far(best))) best = i;
      expect(grid.nearest(x, y, r, usable)).toBe(best);
    }
  });
});

describe("world", () => {
  const frame = frameOf([100, 0, 300, 100]);

  it("puts every layout into the same square", () => {
    const points = toWorld([100, 0, 9, 300, 100, 9, NaN, 1, 9], 3, 3, frame);
    expect([...points]).toEqual([-500, -250, 500, 250, NOWHERE, NOWHERE]);
    expect(worldBounds([100, 0, 300, 100], frame)).toEqual([-500, -250, 500, 250]);
  });

  it.each([true, false])("goes to the screen and back (flip %s)", (flip) => {
    const box = { width: 800, height: 600, flip };
    const camera = { x: 12, y: -7, zoom: 1.7 };
    const [x, y] = toScreen(33, 44, camera, box);
    const back = toWorldPoint(x, y, camera, box);
    expect(back[0]).toBeCloseTo(33);
    expect(back[1]).toBeCloseTo(44);
    expect(toScreen(12, 0, camera, box)[1] > 300).toBe(flip);
  });

  it("fits everything with a margin", () => {
    const camera = fit([-500, -250, 500, 250], 800, 600);
    const box = { width: 800, height: 600, flip: false };
    expect(toScreen(-500, -250, camera, box)[0]).toBeCloseTo(24);
    const many = pointRadius(1e6, box, camera, camera, 1);
    expect(many).toBeLessThan(pointRadius(1e3, box, camera, camera, 1));
    expect(pointRadius(1e6, box, { ...camera, zoom: camera.zoom + 4 }, camera, 1)).toBeCloseTo(4 * many);
  });
});

describe("flags", () => {
  it("dim and block unticked types, and only dim what is not selected", () => {
    const flags = cellFlags({
      n: 4,
      selected: Uint8Array.from([1, 1, 0, 0]),
      codes: Uint8Array.from([0, 1, 0, 255]),
      shown: Uint8Array.from([1, 0]),
      lens: null,
      sample: null,
    });
    expect([...flags]).toEqual([0, DIM | BLOCKED, DIM, DIM]);
  });

  it("let the lens win over the selection", () => {
    const flags = cellFlags({ n: 3, selected: Uint8Array.from([1, 0, 0]), codes: null, shown: null, lens: new Set([2]), sample: null });
    expect([...flags]).toEqual([DIM, DIM, 0]);
  });
});

describe("cameras", () => {
  it("are the same when no pixel would differ", () => {
    const camera = { x: 10, y: -3, zoom: 2 };
    expect(sameCamera(camera, { ...camera })).toBe(true);
    expect(sameCamera(camera, { ...camera, x: 10 + 1e-6 })).toBe(true);
    expect(sameCamera(camera, { ...camera, x: 10.25 })).toBe(false);
    expect(sameCamera(camera, { ...camera, zoom: 2.01 })).toBe(false);
  });

  it("are fitted to the cells that have a place", () => {
    const points = Float32Array.from([0, 5, NOWHERE, NOWHERE, 4, -1, 100, 100]);
    expect(boundsOf(points, (i) => i < 3)).toEqual([0, -1, 4, 5]);
    expect(boundsOf(points, (i) => i === 1)).toBeNull();
  });
});

describe("samples", () => {
  it("leave the cells of others out of the picture, also the selected ones", () => {
    const sample = { codes: Uint8Array.from([0, 1, 1]), shown: 0 };
    const flags = cellFlags({ n: 3, selected: Uint8Array.from([0, 1, 0]), codes: null, shown: null, lens: null, sample });
    expect([...flags]).toEqual([DIM, BLOCKED | GONE, DIM | BLOCKED | GONE]);
  });
});

describe("arrows", () => {
  const frame = { cx: 0, cy: 0, scale: 10 };
  const grid = Float32Array.from([0, 0, 1, 0, 0, 1, 1, 1]);

  it("take the grid as their measure", () => {
    expect(gridStep(grid)).toBe(1);
    const { count, source, target } = arrowSegments(grid, Float32Array.from([4, 0, 2, 0, 0, 0, NaN, 0]), frame, { length: 1, head: 0.3, stride: 1 });
    expect(count).toBe(6);
    expect([...source.slice(0, 3), ...target.slice(0, 3)]).toEqual([0, 0, 0, 10, 0, 0]);
    expect(target[9]! - source[9]!).toBeCloseTo(5);
  });
});
