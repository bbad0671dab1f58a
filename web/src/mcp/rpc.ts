/** JSON-RPC between this page and the window that holds it: requests both ways, notifications both ways. */

export type Params = Record<string, unknown>;
export interface Port {
  send(message: Params): void;
  listen(receive: (message: unknown) => void): void;
}

export class HostError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

const record = (value: unknown): value is Params => typeof value === "object" && value !== null && !Array.isArray(value);

export class Peer {
  private next = 1;
  private readonly waiting = new Map<number, Waiting>();
  private readonly notified = new Map<string, (params: Params) => void>();
  private readonly asked = new Map<string, (params: Params) => unknown>();

  constructor(private readonly port: Port) {
    port.listen((message) => this.receive(message));
  }

  /** Asks the host; without an answer in time the promise fails, and a late answer is dropped. */
  request<R = unknown>(method: string, params: Params, milliseconds = 0): Promise<R> {
    const id = this.next++;
    return new Promise<R>((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = (): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
      };
      if (milliseconds > 0) {
        timer = setTimeout(() => {
          end();
          reject(new HostError(-32001, `the host did not answer ${method}`));
        }, milliseconds);
      }
      this.waiting.set(id, {
        resolve: (result) => (end(), resolve(result as R)),
        reject: (error) => (end(), reject(error)),
      });
      this.port.send({ jsonrpc: "2.0", id, method, params });
    });
  }

  notify(method: string, params: Params = {}): void {
    this.port.send({ jsonrpc: "2.0", method, params });
  }

  onNotification(method: string, handler: (params: Params) => void): void {
    this.notified.set(method, handler);
  }

  /** Answers what the host asks; what nobody answers is refused as the protocol says. */
  onRequest(method: string, handler: (params: Params) => unknown): void {
    this.asked.set(method, handler);
  }

  private receive(message: unknown): void {
    if (!record(message) || message["jsonrpc"] !== "2.0") return;
    const { id, method } = message;
    if (typeof method === "string") {
      const params = record(message["params"]) ? message["params"] : {};
      if (id === undefined || id === null) this.notified.get(method)?.(params);
      else void this.respond(id, method, params);
      return;
    }
    const waiting = typeof id === "number" ? this.waiting.get(id) : undefined;
    if (!waiting) return;
    const error = message["error"];
    if (record(error)) waiting.reject(new HostError(Number(error["code"] ?? 0), String(error["message"] ?? "refused")));
    else waiting.resolve(message["result"]);
  }

  private async respond(id: unknown, method: string, params: Params): Promise<void> {
    const handler = this.asked.get(method);
    if (!handler) {
      this.port.send({ jsonrpc: "2.0", id, error: { code: -32601, message: `unknown method ${method}` } });
      return;
    }
    try {
      this.port.send({ jsonrpc: "2.0", id, result: (await handler(params)) ?? {} });
    } catch (error) {
      this.port.send({ jsonrpc: "2.0", id, error: { code: -32603, message: error instanceof Error ? error.message : "failed" } });
    }
  }
}

/** The window that holds this one; messages of any other window are dropped. */
export function parentPort(own: Window, parent: Window): Port {
  return {
    // the host's origin is not known, and nothing that is sent is secret to it: it has passed on the token itself
    send: (message) => parent.postMessage(message, "*"),
    listen: (receive) =>
      own.addEventListener("message", (event) => {
        if (event.source === parent) receive(event.data);
      }),
  };
}
