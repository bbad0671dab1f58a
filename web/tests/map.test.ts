import { describe, expect, it } from "vitest";
import { arrowSegments, gridStep } from "../src/map/arrows";
import { BLOCKED, DIM, GONE, cellFlags } from "../src/map/flags";
import { PointGrid, contains, simplify } from "../src/map/grid";
import { sampleBounds, tile } from "../src/map/tiles";
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
    const beside = fit([-500, -250, 500, 250], 800, 600, 100);
    expect(toScreen(-500, 0, beside, box)[0]).toBeCloseTo(21);
    expect(toScreen(500, 0, beside, box)[0]).toBeCloseTo(679);
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

describe("pieces of tissue", () => {
  /** Samples of random size around the same place, and a cell of none. */
  function pieces(samples: number, seed: number) {
    const next = stream(seed);
    const sizes = Array.from({ length: samples }, () => [50 + 900 * next(), 50 + 900 * next()]);
    const codes = Uint8Array.from({ length: 400 }, (_, i) => i % samples);
    const values = Float32Array.from({ length: 800 }, (_, k) => {
      const size = sizes[codes[k >> 1]!]!;
      return (next() - 0.5) * size[k % 2]! + (k % 2 ? 7 : -3);
    });
    return { codes, values };
  }

  it.each([1, 2, 3, 5, 12])("do not lie on each other, %s of them, and keep their distances", (samples) => {
    const { codes, values } = pieces(samples, samples);
    const { tiles, bounds, moved } = tile(sampleBounds(values, 2, codes, samples));
    expect(moved).toBe(samples > 1);
    expect(tiles).toHaveLength(samples + 1);
    expect(tiles[samples]).toBeNull();
    const there = tiles.slice(0, samples).map((one) => one!.bounds);
    for (const [i, a] of there.entries()) {
      expect(a[0] >= bounds[0] - 1e-6 && a[1] >= bounds[1] - 1e-6 && a[2] <= bounds[2] + 1e-6 && a[3] <= bounds[3] + 1e-6).toBe(true);
      for (const b of there.slice(i + 1)) expect(a[0] >= b[2] || b[0] >= a[2] || a[1] >= b[3] || b[1] >= a[3]).toBe(true);
    }
    // in reading order: y points up
    for (const [a, b] of there.slice(1).map((b, i) => [there[i]!, b] as const)) expect(b[0] > a[0] || b[3] < a[1]).toBe(true);
    const frame = frameOf(bounds);
    const points = toWorld(values, 400, 2, frame, { codes, by: tiles });
    for (let i = 0; i < 400 - samples; i += 7) {
      const j = i + samples;
      const own = Math.hypot(values[2 * i]! - values[2 * j]!, values[2 * i + 1]! - values[2 * j + 1]!);
      const drawn = Math.hypot(points[2 * i]! - points[2 * j]!, points[2 * i + 1]! - points[2 * j + 1]!);
      expect(drawn / frame.scale).toBeCloseTo(own, 2);
      const box = worldBounds(there[codes[i]!]!, frame);
      expect(points[2 * i]).toBeGreaterThanOrEqual(box[0] - 0.01);
      expect(points[2 * i + 1]).toBeLessThanOrEqual(box[3] + 0.01);
    }
  });

  it("stay where they are if they do not lie on each other", () => {
    const values = [0, 0, 10, 10, 20, 0, 30, 10];
    const tiling = tile(sampleBounds(values, 2, [0, 0, 1, 1], 2));
    expect(tiling).toMatchObject({ moved: false, bounds: [0, 0, 30, 10] });
    expect(tiling.tiles[1]).toEqual({ dx: 0, dy: 0, bounds: [20, 0, 30, 10] });
  });

  it("leave out who has no place, and keep those of no sample together", () => {
    const values = [0, 0, 4, 4, NaN, 1, 1, 1, 9, 9];
    const codes = [0, 0, 1, 255, 255];
    const { tiles } = tile(sampleBounds(values, 2, codes, 2));
    expect(tiles[1]).toBeNull();
    const [own, none] = [tiles[0]!.bounds, tiles[2]!.bounds];
    expect(own[2] <= none[0] || none[2] <= own[0] || own[3] <= none[1] || none[3] <= own[1]).toBe(true);
    const points = toWorld(values, 5, 2, { cx: 0, cy: 0, scale: 1 }, { codes, by: tiles });
    expect([points[4], points[5]]).toEqual([NOWHERE, NOWHERE]);
    expect(points[8]! - points[6]!).toBeCloseTo(8);
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
