/** What tools of the assistant's server answer, read with suspicion: whatever does not fit is left out. */

import type { ColourSpec } from "../state/url";
import type { Params } from "./rpc";

export interface Connection {
  base: string;
  token: string;
  session: string;
}

export interface Control {
  tool: "control";
  spec: ColourSpec | null;
  layout: string | null;
  focus: string | null;
  message: string | null;
}

export type Command = { tool: "open" } | Control;

export interface ToolResult {
  content?: { type?: unknown; text?: unknown }[];
  structuredContent?: unknown;
  isError?: unknown;
  _meta?: unknown;
}

const record = (value: unknown): Params =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Params) : {};
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const orNull = (value: unknown): string | null => text(value) || null;

/** How to reach the viewer; null where the host does not pass it on, or it is none. */
export function connectionOf(result: ToolResult): Connection | null {
  const own = record(record(result._meta)["spacetravlr/connection"]);
  const [base, token, session] = [text(own["base"]), text(own["token"]), text(own["session"])];
  if (!/^https?:\/\/[^/?#\s@]+$/.test(base) || !/^[0-9a-f]{16,64}$/.test(session)) return null;
  return { base, token, session };
}

export function commandOf(result: ToolResult): Command | null {
  if (result.isError === true) return null;
  const content = record(result.structuredContent);
  if (content["_spatialTool"] === "open") return { tool: "open" };
  if (content["_spatialTool"] !== "control") return null;
  return {
    tool: "control",
    spec: specOf(content),
    layout: orNull(content["layout"]),
    focus: orNull(content["focus_gene"]),
    message: orNull(content["status_message"]),
  };
}

function specOf(content: Params): ColourSpec | null {
  const [gene, column, job] = [text(content["gene"]), text(content["column"]), text(content["job"])];
  switch (content["colour"]) {
    case "expression":
      return gene ? { kind: "expr", gene } : null;
    case "cell_type":
    case "cluster":
    case "obs":
      return column ? { kind: "obs", name: column } : null;
    case "coefficient":
      return gene && column ? { kind: "beta", gene, column } : null;
    case "received":
      return gene ? { kind: "received", gene, matrix: content["matrix"] === "tfl" ? "tfl" : "lr" } : null;
    case "change":
      return gene && job ? { kind: "delta", job, gene } : null;
    default:
      return null;
  }
}

/** All text of an answer. */
export function textOf(result: ToolResult): string {
  return (result.content ?? []).map((part) => (part.type === "text" ? text(part.text) : "")).filter(Boolean).join("\n");
}

/** Inputs of the tools that open this page. */
const INPUTS = ["adata_path", "layer", "cluster_annot", "network_dir", "run_toml", "api_base_url"];

/** How much of a tool's input has arrived while the assistant writes it. */
export function progressOf(args: Params, known: readonly string[] = INPUTS): { done: number; of: number; names: string[] } {
  const names = Object.keys(args).filter((name) => known.includes(name) && args[name] !== null && args[name] !== "");
  return { done: names.length, of: known.length, names };
}

/** Names of a tool's inputs, as the host tells them. */
export function inputsOf(context: unknown): readonly string[] {
  const tool = record(record(record(context)["toolInfo"])["tool"]);
  const names = Object.keys(record(record(tool["inputSchema"])["properties"]));
  return names.length ? names : INPUTS;
}
