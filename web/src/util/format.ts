/** Numbers and words as people read them. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return WHOLE.format(value);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Three significant digits, without a needless exponent. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text: string;
  if (size === 0) text = "0";
  else if (size >= 1e5 || size < 1e-3) text = value.toExponential(1).replace("e+", "e");
  else if (size >= 1000) text = WHOLE.format(value);
  else text = String(Number(value.toPrecision(3)));
  return text.replace("-", "−").replace("e−", "e−").replace("e-", "e−");
}

export function signed(value: number | null | undefined): string {
  const text = number(value);
  return value !== null && value !== undefined && value > 0 ? `+${text}` : text;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`;
}

export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size >= 10 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

export function seconds(value: number): string {
  if (value < 0.1) return "< 0.1 s";
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** `L$R` and `L#TF` as their members are written in papers. */
export function modulator(name: string): string {
  return name.replace(/^beta_/, "").replace("$", "–").replace("#", " → ");
}

/** Both ends of a text that has more letters than there is room for, since names often differ in the last ones; nothing
 * where that would say nothing. */
export function cutTo(text: string, letters: number): string {
  if (text.length <= letters) return text;
  const end = Math.floor((letters - 1) / 2);
  return letters < 3 ? "" : `${text.slice(0, letters - 1 - end)}…${text.slice(-end)}`;
}

/** A length in micrometres or millimetres, or in coordinate units where nobody knows how long these are. */
export function lengthText(units: number, umPerUnit: number | null): string {
  if (umPerUnit === null) return `${number(units)} coordinate ${units === 1 ? "unit" : "units"}`;
  const um = units * umPerUnit;
  if (Math.abs(um) >= 1000) return `${number(um / 1000)} mm`;
  return Math.abs(um) < 1 && um !== 0 ? `${number(um * 1000)} nm` : `${number(um)} µm`;
}

/** A round length of at most `most`: 1, 2 or 5 times a power of ten. */
export function roundLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  const digit = most / power;
  return (digit >= 5 ? 5 : digit >= 2 ? 2 : 1) * power;
}

export function csvField(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "number" ? (Number.isNaN(value) ? "" : String(value)) : value;
  // a leading =, +, - or @ of a name would be run as a formula by a spreadsheet
  const safe = typeof value === "string" && /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
