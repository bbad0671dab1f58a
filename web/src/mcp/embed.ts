/** The page as the app of an assistant: it greets its host, waits to be told where the viewer is, and follows. */

import { client, failure, report, setTheme, status, tell } from "../state/store";
import { apply, connect, reachable, seenNow } from "./page";
import { proxiedFetch } from "./proxied";
import type { Command, ToolResult } from "./results";
import { commandOf, connectionOf, inputsOf, progressOf, textOf } from "./results";
import type { Params } from "./rpc";
import { HostError, Peer, parentPort } from "./rpc";
import { doing, sending, showStrip } from "./strip";
import { wordsOf } from "./words";

const PROTOCOL = "2026-01-26";
const GREETING = 8000;
const PATIENCE = 30_000;
const HEIGHT = 640;

interface Host {
  hostCapabilities?: { serverTools?: unknown };
  hostContext?: unknown;
}

/** Whether a host may be around: this page is inside another one, and is made for that or has no origin of its own. */
export function maybeEmbedded(): boolean {
  return window.parent !== window && (import.meta.env.MODE === "single" || window.origin === "null");
}

/** Greets the host and follows it; without one, the page starts by itself. */
export async function startEmbedded(boot: () => Promise<void>): Promise<void> {
  const app = new App(new Peer(parentPort(window, window.parent)), boot);
  try {
    await app.greet();
  } catch {
    await boot();
  }
}

class App {
  private host: Host = {};
  private inputs = inputsOf(null);
  private started: Promise<void> | null = null;
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly peer: Peer,
    private readonly boot: () => Promise<void>,
  ) {}

  async greet(): Promise<void> {
    this.listen();
    this.host = await this.peer.request<Host>(
      "ui/initialize",
      {
        protocolVersion: PROTOCOL,
        appInfo: { name: "spacetravlr-viewer", title: "SpaceTravLR viewer", version: "1" },
        appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
      },
      GREETING,
    );
    this.context(this.host.hostContext);
    showStrip(() => void this.send());
    this.peer.notify("ui/notifications/initialized");
    this.peer.notify("ui/notifications/size-changed", { width: innerWidth, height: HEIGHT });
    setTimeout(() => this.alone(), PATIENCE);
  }

  private listen(): void {
    this.peer.onNotification("ui/notifications/tool-input-partial", ({ arguments: args }) => this.filling(args));
    this.peer.onNotification("ui/notifications/tool-input", () => (doing.value = { text: "The assistant's tool is at work", share: null }));
    this.peer.onNotification("ui/notifications/tool-result", (result) => this.result(result as ToolResult));
    this.peer.onNotification("ui/notifications/tool-cancelled", () => this.over("The assistant's tool was cancelled."));
    this.peer.onNotification("ui/notifications/host-context-changed", (changes) => this.context(changes));
    this.peer.onRequest("ui/resource-teardown", () => ({}));
    this.peer.onRequest("ping", () => ({}));
  }

  private filling(args: unknown): void {
    const { done, of, names } = progressOf((args ?? {}) as Params, this.inputs);
    doing.value = { text: `The assistant fills in ${names.at(-1) ?? "its request"} (${done} of ${of})`, share: of ? done / of : null };
  }

  private context(changes: unknown): void {
    const { theme } = (changes ?? {}) as { theme?: unknown };
    if (theme === "light" || theme === "dark") setTheme(theme);
    if ((changes as Params | undefined)?.["toolInfo"]) this.inputs = inputsOf(changes);
  }

  private result(result: ToolResult): void {
    if (result.isError === true) {
      this.over(textOf(result) || "The assistant's tool failed.", "error");
      // what is open can be shown all the same
      void this.start(null);
      return;
    }
    doing.value = null;
    void this.start(result);
    const command = commandOf(result);
    if (command) this.follow(command);
  }

  private over(text: string, kind: "info" | "error" = "info"): void {
    doing.value = null;
    tell(text.slice(0, 400), kind);
  }

  /** Commands wait for the page, and for each other. */
  private follow(command: Command): void {
    this.queue = this.queue.then(async () => {
      await this.started;
      if (status.value !== "failed") await apply(command);
    }).catch(report);
  }

  private start(result: ToolResult | null): Promise<void> {
    this.started ??= this.connect(result).then(() => this.boot());
    return this.started;
  }

  private async connect(result: ToolResult | null): Promise<void> {
    const connection = result && connectionOf(result);
    if (connection && (await reachable(connection))) {
      connect(connection);
      return;
    }
    client.transport = proxiedFetch((name, args) => this.call(name, args));
  }

  /** Nobody has said anything: then the page asks by itself for what is open. */
  private alone(): void {
    if (this.started || doing.value) return;
    void this.call("show_spatial_viewer", {}).then(
      (result) => this.result(result),
      (error: unknown) => {
        failure.value = error instanceof Error ? error.message : "the host does not answer";
        status.value = "failed";
      },
    );
  }

  private call(name: string, args: Params): Promise<ToolResult> {
    return this.peer.request<ToolResult>("tools/call", { name, arguments: args });
  }

  /** Tells the assistant what the user sees: as a message, else as context for its next turn. */
  private async send(): Promise<void> {
    sending.value = true;
    try {
      const summary = wordsOf(await seenNow());
      const text = await this.reported(summary);
      const content = [{ type: "text", text }];
      await this.message(content);
      tell("The assistant knows now what you see.");
    } catch (error) {
      report(error);
    } finally {
      sending.value = false;
    }
  }

  /** The server cuts the text to size and marks it as data. */
  private async reported(summary: string): Promise<string> {
    try {
      const result = await this.call("spatial_viewer_report_context", { summary });
      return (result.isError === true ? "" : textOf(result)) || summary;
    } catch (error) {
      if (error instanceof HostError) return summary;
      throw error;
    }
  }

  private async message(content: { type: string; text: string }[]): Promise<void> {
    const ways: [string, Params][] = [
      ["ui/message", { role: "user", content }],
      // as the text of the protocol has it, where its schema has a list
      ["ui/message", { role: "user", content: content[0] }],
      ["ui/update-model-context", { content }],
    ];
    let last: unknown = null;
    for (const [method, params] of ways) {
      try {
        const answer = await this.peer.request<{ isError?: unknown } | undefined>(method, params);
        if (answer?.isError !== true) return;
        last = new Error("The host did not take the message.");
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }
}
