/** Comma-separated text. */

import { csvField } from "../util/format";

/** What a column says about a cell. */
export type Cell = (index: number) => string | number;

export function csvText(header: readonly string[], columns: readonly Cell[], indices: readonly number[]): string {
  const lines = [header.map(csvField).join(",")];
  for (const i of indices) lines.push(columns.map((column) => csvField(column(i))).join(","));
  return `${lines.join("\r\n")}\r\n`;
}
