import { describe, expect, it } from "vitest";
import { CATEGORY_COLOURS } from "../src/colour/categories";
import type { MapName, Rgb, Theme } from "../src/colour/maps";
import { BACKDROP, MAP_NAMES, hexRgb, mapStops, rgbHex, sample } from "../src/colour/maps";
import { continuousPalette, stretchedPalette, symmetric } from "../src/colour/palette";
import { byteCounts, byteQuantile, finiteRange, quantise, stretchByCluster } from "../src/colour/shade";

const THEMES: Theme[] = ["light", "dark"];

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((c) => {
    const x = c / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

describe("colour maps", () => {
  it("read and write hexadecimal", () => {
    expect(hexRgb("#0b6b74")).toEqual([11, 107, 116]);
    expect(rgbHex([11, 107, 116])).toBe("#0b6b74");
  });

  it.each(MAP_NAMES.filter((name) => name !== "diverging"))("%s orders lightness", (name: MapName) => {
    for (const theme of THEMES) {
      const light = Array.from({ length: 33 }, (_, i) => luminance(sample(mapStops(name, theme), i / 32)));
      const sign = Math.sign(light[32]! - light[0]!);
      for (let i = 1; i < light.length; i++) expect((light[i]! - light[i - 1]!) * sign).toBeGreaterThan(-1e-3);
    }
  });

  it("diverges from a gray that is the least conspicuous colour of the map", () => {
    for (const theme of THEMES) {
      const stops = mapStops("diverging", theme);
      const middle = sample(stops, 0.5);
      expect(Math.max(...middle) - Math.min(...middle)).toBeLessThan(14);
      const contrast = (rgb: Rgb) => Math.abs(Math.log((luminance(rgb) + 0.05) / (luminance(BACKDROP[theme]) + 0.05)));
      for (const end of [0, 1]) expect(contrast(sample(stops, end))).toBeGreaterThan(contrast(middle));
    }
  });

  it("has no two equal categories", () => {
    expect(new Set(CATEGORY_COLOURS.map(rgbHex)).size).toBe(CATEGORY_COLOURS.length);
  });
});

describe("palettes", () => {
  const data = { lo: 0, hi: 254 };
  const at = (table: Uint8Array, byte: number) => [...table.slice(byte * 4, byte * 4 + 3)];

  it("clip at the shown range", () => {
    const table = continuousPalette("viridis", "light", data, { lo: 50, hi: 100 });
    expect(at(table, 10)).toEqual(at(table, 50));
    expect(at(table, 200)).toEqual(at(table, 100));
    expect(at(table, 75)).not.toEqual(at(table, 100));
  });

  it("keep missing and neutral apart from the map", () => {
    const table = stretchedPalette("diverging", "dark");
    expect(at(table, 255)).not.toEqual(at(table, 254));
    expect(table.length).toBe(1024);
  });

  it("make signed ranges symmetric", () => {
    expect(symmetric({ lo: -1, hi: 3 })).toEqual({ lo: -3, hi: 3 });
  });
});

describe("bytes", () => {
  it("quantise to the nearest of 255 levels and keep missing apart", () => {
    expect([...quantise([0, 0.5, 1, NaN, 7, -7], { lo: 0, hi: 1 })]).toEqual([0, 127, 254, 255, 254, 0]);
    expect([...quantise([3, 3], { lo: 3, hi: 3 })]).toEqual([0, 0]);
    expect(finiteRange([NaN, 2, -1, Infinity - Infinity])).toEqual({ lo: -1, hi: 2 });
    expect(finiteRange([NaN])).toEqual({ lo: 0, hi: 0 });
  });

  it("stretch each cluster over its own range around zero", () => {
    const { bytes, ranges } = stretchByCluster([-1, 1, 0, -100, 50, 0, 0, NaN], [0, 0, 0, 1, 1, 2, 2, 0], true);
    expect([...bytes]).toEqual([0, 253, 127, 0, 190, 254, 254, 255]);
    expect(ranges.get(1)).toEqual({ lo: -100, hi: 100 });
  });

  it("find quantiles without the missing cells", () => {
    const counts = byteCounts(Uint8Array.from([0, 0, 0, 10, 255, 255, 255, 255]));
    expect(byteQuantile(counts, 0.75)).toBe(0);
    expect(byteQuantile(counts, 0.9)).toBe(10);
  });
});
