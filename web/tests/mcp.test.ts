import { describe, expect, it, vi } from "vitest";
import { fromBase64, proxiedFetch, routeOf, toBase64 } from "../src/mcp/proxied";
import { commandOf, connectionOf, inputsOf, progressOf, textOf } from "../src/mcp/results";
import type { Params } from "../src/mcp/rpc";
import { HostError, Peer } from "../src/mcp/rpc";
import { wordsOf } from "../src/mcp/words";

function wire() {
  const sent: Params[] = [];
  let receive: (message: unknown) => void = () => {};
  const peer = new Peer({ send: (message) => sent.push(message), listen: (to) => (receive = to) });
  return { peer, sent, receive: (message: unknown) => receive(message) };
}
const later = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("messages between page and host", () => {
  it("match answers with requests, whatever their order", async () => {
    const { peer, sent, receive } = wire();
    const [a, b] = [peer.request("one", {}), peer.request("two", { x: 1 })];
    expect(sent.map((m) => [m["id"], m["method"]])).toEqual([[1, "one"], [2, "two"]]);
    receive({ jsonrpc: "2.0", id: 2, result: "second" });
    receive({ jsonrpc: "2.0", id: 1, result: "first" });
    receive({ jsonrpc: "2.0", id: 1, result: "again" });
    expect(await Promise.all([a, b])).toEqual(["first", "second"]);
  });

  it("turn errors into failures with their text", async () => {
    const { peer, receive } = wire();
    const asked = peer.request("ui/message", {});
    receive({ jsonrpc: "2.0", id: 1, error: { code: -32000, message: "denied" } });
    await expect(asked).rejects.toEqual(new HostError(-32000, "denied"));
  });

  it("give up in time", async () => {
    vi.useFakeTimers();
    const asked = expect(wire().peer.request("ui/initialize", {}, 50)).rejects.toThrow("did not answer ui/initialize");
    await vi.advanceTimersByTimeAsync(60);
    await asked;
    vi.useRealTimers();
  });

  it("answer requests, and refuse what nobody answers", async () => {
    const { peer, sent, receive } = wire();
    peer.onRequest("ui/resource-teardown", () => undefined);
    peer.onRequest("bad", () => {
      throw new Error("no");
    });
    receive({ jsonrpc: "2.0", id: 7, method: "ui/resource-teardown" });
    receive({ jsonrpc: "2.0", id: 8, method: "what" });
    receive({ jsonrpc: "2.0", id: 9, method: "bad" });
    await later();
    expect(sent.sort((a, b) => Number(a["id"]) - Number(b["id"]))).toEqual([
      { jsonrpc: "2.0", id: 7, result: {} },
      { jsonrpc: "2.0", id: 8, error: { code: -32601, message: "unknown method what" } },
      { jsonrpc: "2.0", id: 9, error: { code: -32603, message: "no" } },
    ]);
  });

  it("let nothing else through", () => {
    const { peer, receive } = wire();
    const heard = vi.fn();
    peer.onNotification("ui/notifications/tool-result", heard);
    for (const message of [null, 3, "x", [], {}, { method: "ui/notifications/tool-result" }]) receive(message);
    expect(heard).not.toHaveBeenCalled();
    receive({ jsonrpc: "2.0", method: "ui/notifications/tool-result", params: [1] });
    expect(heard).toHaveBeenCalledExactlyOnceWith({});
  });
});

describe("answers of tools", () => {
  const session = "0123456789abcdef0123456789abcdef";
  const meta = (own: Params) => ({ _meta: { "spacetravlr/connection": own } });

  it("tell where the viewer is", () => {
    const own = { base: "http://127.0.0.1:4711", token: "t", session };
    expect(connectionOf(meta(own))).toEqual(own);
    expect(connectionOf(meta({ ...own, token: null }))).toEqual({ ...own, token: "" });
  });

  it.each([
    [{}],
    [{ base: "javascript:alert(1)", session }],
    [{ base: "http://user@host", session }],
    [{ base: "http://127.0.0.1:1/path", session }],
    [{ base: "http://127.0.0.1:1", session: "zz" }],
  ])("that make no sense tell nothing: %o", (own) => expect(connectionOf(meta(own))).toBeNull());

  it.each([
    [{ colour: "expression", gene: "Pax5" }, { kind: "expr", gene: "Pax5" }],
    [{ colour: "cluster", column: "leiden" }, { kind: "obs", name: "leiden" }],
    [{ colour: "coefficient", gene: "Pax5", column: "A$B" }, { kind: "beta", gene: "Pax5", column: "A$B" }],
    [{ colour: "received", gene: "Ccl19", matrix: "tfl" }, { kind: "received", gene: "Ccl19", matrix: "tfl" }],
    [{ colour: "change", gene: "Pax5", job: "ab" }, { kind: "delta", gene: "Pax5", job: "ab" }],
    [{ colour: "change", gene: "Pax5" }, null],
    [{ colour: null }, null],
    [{ colour: "rainbow", gene: "x" }, null],
  ])("become views: %o", (content, spec) => {
    const command = commandOf({ structuredContent: { _spatialTool: "control", ...content } });
    expect(command).toMatchObject({ tool: "control", spec });
  });

  it("that are errors or of other tools are no commands", () => {
    expect(commandOf({ isError: true, structuredContent: { _spatialTool: "open" } })).toBeNull();
    expect(commandOf({ structuredContent: { job: "x" } })).toBeNull();
    expect(commandOf({ structuredContent: { _spatialTool: "open" } })).toEqual({ tool: "open" });
    expect(textOf({ content: [{ type: "text", text: "a" }, { type: "image" }, { type: "text", text: "b" }] })).toBe("a\nb");
  });

  it("are announced while the assistant still writes", () => {
    expect(progressOf({ run_toml: "x", layer: "", other: 1 })).toEqual({ done: 1, of: 6, names: ["run_toml"] });
    const known = inputsOf({ toolInfo: { tool: { inputSchema: { properties: { gene: {}, job: {} } } } } });
    expect(progressOf({ gene: "Pax5" }, known)).toEqual({ done: 1, of: 2, names: ["gene"] });
    expect(inputsOf(null)).toHaveLength(6);
  });
});

describe("data through the assistant's server", () => {
  const answer = (body: string, more: Params = {}) => ({
    structuredContent: { status: 200, content_type: "application/json", field: null, disposition: null, body: toBase64(new TextEncoder().encode(body)), ...more },
  });

  it("keeps every byte", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256);
    expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  });

  it("asks for the same route", async () => {
    const call = vi.fn(async () => answer('{"id":"x"}', { field: '{"nx":3}', status: 202 }));
    const response = await proxiedFetch(call)("http://127.0.0.1:9/api/v2/jobs?dataset=d", { method: "POST", body: '{"a":1}', headers: { "Content-Type": "application/json" } });
    expect(call).toHaveBeenCalledExactlyOnceWith("viewer_request", { path: "/api/v2/jobs?dataset=d", method: "POST", body: btoa('{"a":1}'), content_type: "application/json" });
    expect([response.status, await response.json(), response.headers.get("X-Field")]).toEqual([202, { id: "x" }, '{"nx":3}']);
    expect(() => routeOf("https://elsewhere.example/x")).toThrow(TypeError);
  });

  it("hears of refusals", async () => {
    const call = async () => ({ isError: true, content: [{ type: "text", text: "path must be a route" }] });
    await expect(proxiedFetch(call)("/api/v2/meta")).rejects.toThrow("path must be a route");
  });

  it("follows a job to its end", async () => {
    const states = [{ state: "running", progress: 0.5, step: "step 2" }, { state: "done", progress: 1, step: "done", message: null }];
    const call = vi.fn(async () => answer(JSON.stringify(states[Math.min(call.mock.calls.length - 1, 1)])));
    const response = await proxiedFetch(call)("/api/v2/jobs/ab/events?dataset=d");
    expect(await response.text()).toBe(
      'event: progress\ndata: {"state":"running","progress":0.5,"step":"step 2"}\n\nevent: end\ndata: {"state":"done","message":null}\n\n',
    );
    expect(call).toHaveBeenLastCalledWith("viewer_request", { path: "/api/v2/jobs/ab", method: "GET" });
  });

  it("can be given up", async () => {
    const stop = new AbortController();
    const asked = proxiedFetch(() => new Promise(() => {}))("/api/v2/meta", { signal: stop.signal });
    stop.abort();
    await expect(asked).rejects.toThrow("aborted");
  });
});

describe("what the assistant is told", () => {
  const plain = {
    title: "tissue", cells: 5, genes: 7, layer: "X", layout: "spatial", colour: "Δ Pax5", unit: "change", range: { lo: -0.51234, hi: 0.25 },
    hidden: [], selection: null, pinned: null, focusGene: "", perturbation: null,
  };

  it("holds what a tool needs to go on", () => {
    const text = wordsOf({
      ...plain,
      hidden: ["B cell"],
      selection: { id: "ab12", n: 3 },
      pinned: { index: 4, cellType: "T cell" },
      focusGene: "Ccl19",
      perturbation: { job: "j1", title: "Pax5 0", top: [{ gene: "Irf4", mean: 0.12345 }, { gene: "Cd19", mean: -2 }] },
    });
    expect(text.split("\n")).toEqual([
      "Sample tissue: 5 cells, 7 genes, layer X.",
      "Cells are placed by spatial and coloured by Δ Pax5, from -0.512 to 0.25 (change).",
      "Hidden groups: B cell.",
      '3 cells are selected: scope {"type": "selection", "id": "ab12"}.',
      "Chosen cell: number 4, type T cell.",
      "Gene of the cell's context: Ccl19.",
      "Perturbation shown: Pax5 0 (job j1); largest mean changes: Irf4 +0.123, Cd19 -2.",
    ]);
  });

  it("says nothing about what is not there", () => {
    expect(wordsOf({ ...plain, colour: "cell_type", range: null }).split("\n")).toHaveLength(2);
  });
});
