/** Continuous colour maps as a few stops; every one of them orders lightness, so they survive colour blindness. */

export type Rgb = readonly [number, number, number];
export type Theme = "light" | "dark";
export type MapName = "viridis" | "cividis" | "magma" | "tide" | "diverging";

export const MAP_NAMES: readonly MapName[] = ["viridis", "cividis", "magma", "tide", "diverging"];
export const MAP_LABELS: Record<MapName, string> = {
  viridis: "Viridis",
  cividis: "Cividis",
  magma: "Magma",
  tide: "Tide",
  diverging: "Diverging",
};

export function hexRgb(hex: string): Rgb {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function rgbHex([r, g, b]: Rgb): string {
  return `#${[r, g, b].map((c) => Math.round(c).toString(16).padStart(2, "0")).join("")}`;
}

const stops = (text: string): Rgb[] => text.split(" ").map((hex) => hexRgb(`#${hex}`));

const VIRIDIS = stops(
  "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725",
);
const CIVIDIS = stops(
  "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c cdbb63 dec958 f0d846 fee838",
);
const MAGMA = stops(
  "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf",
);
// the middle of a diverging map and the start of `tide` sit near the page, so that "nothing here" recedes
const TIDE: Record<Theme, Rgb[]> = {
  light: stops("dfe2e4 b9d3d6 86bdc3 4fa3ac 2a838f 17616f 0f4152 0b2a3c"),
  dark: stops("363b42 2f4f5a 2a6a75 2b8a8c 47aa98 7cc8a0 b8e3ae eef8c8"),
};
const DIVERGING: Record<Theme, Rgb[]> = {
  light: stops("0b3c72 1f66a8 5794c7 98bcd8 cfd2d5 e3b98f d98b45 b95c12 7e3a06"),
  dark: stops("8fd0ff 55a9ea 3b7fb8 3f5f7e 4b5056 8a6138 c27a2c f0a04a ffd3a0"),
};

export function mapStops(name: MapName, theme: Theme): readonly Rgb[] {
  switch (name) {
    case "viridis":
      return VIRIDIS;
    case "cividis":
      return CIVIDIS;
    case "magma":
      return MAGMA;
    case "tide":
      return TIDE[theme];
    case "diverging":
      return DIVERGING[theme];
  }
}

/** Colour at t in 0..1, linear between the stops. */
export function sample(colours: readonly Rgb[], t: number): Rgb {
  const at = Math.min(Math.max(t, 0), 1) * (colours.length - 1);
  const i = Math.min(Math.floor(at), colours.length - 2);
  const a = colours[i]!;
  const b = colours[i + 1]!;
  const f = at - i;
  return [a[0] + (b[0] - a[0]) * f, a[1] + (b[1] - a[1]) * f, a[2] + (b[2] - a[2]) * f];
}

/** Cells without a value: between the page and the neutral grey. */
export const MISSING: Record<Theme, Rgb> = { light: [214, 217, 220], dark: [52, 57, 63] };
/** Coefficients that are zero for a whole cluster. */
export const NEUTRAL: Record<Theme, Rgb> = { light: [207, 210, 213], dark: [75, 80, 86] };
/** What dimmed cells fade into. */
export const BACKDROP: Record<Theme, Rgb> = { light: [250, 250, 249], dark: [17, 20, 24] };
