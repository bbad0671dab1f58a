/** The viewer's data through the assistant's server, for hosts in which a page may not fetch from this machine. */

import type { Params } from "./rpc";
import type { ToolResult } from "./results";
import { textOf } from "./results";

export type CallTool = (name: string, args: Params) => Promise<ToolResult>;
const PAUSE = 300;
const CHUNK = 0x8000;

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text);
  const bytes = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at++) bytes[at] = plain.charCodeAt(at);
  return bytes;
}

/** Path and query of an address of the viewer. */
export function routeOf(url: string): string {
  const start = url.indexOf("/api/");
  if (start < 0) throw new TypeError(`${url} is no address of the viewer`);
  return url.slice(start);
}

async function bodyBytes(body: BodyInit | null | undefined): Promise<Uint8Array | null> {
  if (body === null || body === undefined) return null;
  return new Uint8Array(await new Response(body).arrayBuffer());
}

/** Something that is called like `fetch`. */
export function proxiedFetch(call: CallTool): typeof fetch {
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const body = await bodyBytes(init.body);
    const kind = new Headers(init.headers).get("Content-Type") ?? "";
    const result = await call("viewer_request", {
      path,
      method: init.method ?? "GET",
      ...(body ? { body: toBase64(body), content_type: kind.includes("octet") ? "application/octet-stream" : "application/json" } : {}),
    });
    if (result.isError === true) throw new TypeError(textOf(result) || "the assistant's server refused the request");
    const got = result.structuredContent as { status: number; content_type: string; field: string | null; disposition: string | null; body: string };
    const headers = new Headers({ "Content-Type": got.content_type });
    if (got.field) headers.set("X-Field", got.field);
    if (got.disposition) headers.set("Content-Disposition", got.disposition);
    const empty = got.status === 204 || got.status === 304;
    return new Response(empty ? null : fromBase64(got.body), { status: got.status, headers });
  };
  return async (input, init = {}) => {
    const path = routeOf(typeof input === "string" ? input : input instanceof URL ? input.href : input.url);
    if (init.signal?.aborted) throw new DOMException("aborted", "AbortError");
    return path.split("?")[0]!.endsWith("/events") ? followed(path, init, ask) : abortable(ask(path, init), init.signal);
  };
}

function abortable<T>(work: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise<T>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")), { once: true });
    work.then(resolve, reject);
  });
}

/** Events of a job, made of what it answers when it is asked again and again. */
function followed(path: string, init: RequestInit, ask: (path: string, init: RequestInit) => Promise<Response>): Response {
  const route = path.split("?")[0]!.replace(/\/events$/, "");
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      const say = (event: string, data: unknown): void =>
        controller.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
      try {
        for (;;) {
          if (init.signal?.aborted) throw new DOMException("aborted", "AbortError");
          const answer = await ask(route, {});
          const { state, progress, step, message } = (await answer.json()) as Record<string, unknown>;
          if (!answer.ok || (state !== "queued" && state !== "running")) {
            say("end", { state: state ?? "failed", message: message ?? null });
            break;
          }
          say("progress", { state, progress, step });
          await new Promise((resolve) => setTimeout(resolve, PAUSE));
        }
        controller.close();
      } catch (error) {
        controller.error(error);
      }
    },
  });
  return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
}
