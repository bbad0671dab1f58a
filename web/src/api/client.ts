/** Everything the page asks of the server. One class, so that another host can give another base address. */

import type { Column } from "./columns";
import { decodeColumn, decodeColumns } from "./columns";
import { readEvents } from "./sse";
import type * as T from "./types";

/** A problem the server described in one line. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export interface ColumnQuery {
  kind: "obsm" | "obs" | "expr" | "beta" | "delta" | "received";
  name: string;
  dtype?: "u8" | "f16" | "f32";
  layer?: string;
  column?: string;
  job?: string;
  matrix?: string;
}

type Query = Record<string, string | number | boolean | undefined>;

function queryText(query: Query): string {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parts.set(key, String(value));
  const text = parts.toString();
  return text ? `?${text}` : "";
}

async function problem(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as { code?: string; message?: string };
    if (body.message) return new ApiError(response.status, body.code ?? "", body.message);
  } catch {
    // a proxy's HTML page: its status says all there is to say
  }
  return new ApiError(response.status, "", `The server answered ${response.status} ${response.statusText}.`);
}

export class Client {
  dataset = "";
  /** Sent with every request where no cookie can be: in a page of another origin. */
  token = "";
  /** Told of every request that found no server. */
  lost: () => void = () => undefined;
  /** How requests travel; a host that lets nothing out of the page passes them on itself. */
  transport: typeof fetch = (input, init) => fetch(input, init);

  constructor(
    public base: string,
    public session: string,
  ) {}

  url(path: string, query: Query = {}): string {
    return `${this.base}/api/v2${path}${queryText(query)}`;
  }

  private async send(path: string, query: Query, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.transport(this.url(path, query), {
        credentials: "same-origin",
        ...init,
        headers: {
          "X-Session": this.session,
          ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}),
          ...(init.headers as Record<string, string> | undefined),
        },
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      this.lost();
      throw new ApiError(0, "unreachable", "The server does not answer. Is spatial_viewer still running?");
    }
    if (!response.ok) throw await problem(response);
    return response;
  }

  private async get<A>(path: string, query: Query = {}, signal?: AbortSignal): Promise<A> {
    const response = await this.send(path, query, signal ? { signal } : {});
    return (await response.json()) as A;
  }

  private async post<A>(path: string, body: unknown, query: Query = {}, signal?: AbortSignal): Promise<A> {
    const response = await this.send(path, query, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
    return (await response.json()) as A;
  }

  private get ds(): Query {
    return { dataset: this.dataset || undefined };
  }

  /** Exchanges the token for a cookie, or keeps it where the server has another origin. */
  async login(token: string): Promise<void> {
    if (this.base) {
      this.token = token;
      return;
    }
    await this.send("/login", {}, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
  }

  meta(): Promise<T.Meta> {
    return this.get("/meta");
  }

  genes(query: { prefix?: string; contains?: string; limit?: number; among?: T.GeneKind }, signal?: AbortSignal) {
    return this.get<{ total: number; genes: T.GeneHit[] }>("/genes", { ...this.ds, ...query }, signal);
  }

  geneColumns(gene: string): Promise<T.GeneColumns> {
    return this.get(`/genes/${encodeURIComponent(gene)}/columns`, this.ds);
  }

  async column(query: ColumnQuery, signal?: AbortSignal): Promise<Column> {
    const { kind, name, ...rest } = query;
    const path = `/columns/${kind}/${encodeURIComponent(name)}`;
    const response = await this.send(path, { ...this.ds, ...rest }, signal ? { signal } : {});
    return decodeColumn(await response.arrayBuffer());
  }

  cell(index: number): Promise<T.CellFacts> {
    return this.get(`/cells/${index}`, this.ds);
  }

  cells(indices: number[], genes: string[]) {
    return this.post<{ values: (number | null)[][]; names?: string[] }>("/cells", { indices, genes }, this.ds);
  }

  async select(bitmap: Uint8Array): Promise<{ id: string; n: number }> {
    const response = await this.send("/selections", this.ds, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: bitmap as Uint8Array<ArrayBuffer>,
    });
    return (await response.json()) as { id: string; n: number };
  }

  async selection(id: string): Promise<Uint8Array> {
    const response = await this.send(`/selections/${encodeURIComponent(id)}`, this.ds, {});
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Names of the selected cells; null from a server that does not tell them. */
  async selectionNames(id: string): Promise<string[] | null> {
    try {
      return (await this.get<{ names: string[] }>(`/selections/${encodeURIComponent(id)}/names`, this.ds)).names;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
      throw error;
    }
  }

  context(body: Record<string, unknown>): Promise<T.CellContext> {
    return this.post("/cell-context", body, this.ds);
  }

  interactions(body: { genes: string[] | null; scope: T.Scope; aggregate: string; limit: number }) {
    return this.post<{ rows: T.Interaction[]; total: number }>("/interactions", body, this.ds);
  }

  startJob(body: Record<string, unknown>): Promise<{ id: string }> {
    return this.post("/jobs", body, this.ds);
  }

  jobs(): Promise<T.Job[]> {
    return this.get("/jobs", this.ds);
  }

  job(id: string): Promise<T.Job> {
    return this.get(`/jobs/${encodeURIComponent(id)}`, this.ds);
  }

  async endJob(id: string): Promise<void> {
    await this.send(`/jobs/${encodeURIComponent(id)}`, this.ds, { method: "DELETE" });
  }

  /** Follows a job until its last event; returns that event's state. */
  async follow(id: string, onProgress: (job: Partial<T.Job>) => void, signal: AbortSignal): Promise<Partial<T.Job>> {
    const response = await this.send(`/jobs/${encodeURIComponent(id)}/events`, this.ds, {
      headers: { Accept: "text/event-stream" },
      signal,
    });
    let last: Partial<T.Job> | null = null;
    if (response.body) {
      await readEvents(response.body, ({ event, data }) => {
        const facts = JSON.parse(data) as Partial<T.Job>;
        if (event === "end") last = facts;
        else onProgress(facts);
      });
    }
    return last ?? this.job(id);
  }

  result(id: string): Promise<T.PerturbResult> {
    return this.get(`/jobs/${encodeURIComponent(id)}/result`, this.ds);
  }

  top(id: string, query: { by: string; n: number; scope_only?: boolean }): Promise<T.TopGroups> {
    return this.get(`/jobs/${encodeURIComponent(id)}/top`, { ...this.ds, ...query });
  }

  rings(id: string, gene: string): Promise<T.Rings> {
    return this.get(`/jobs/${encodeURIComponent(id)}/rings`, { ...this.ds, gene });
  }

  /** A result as a file; fetched rather than linked, because a link cannot carry the session. */
  async exportJob(id: string, form: "feather" | "csv" | "h5ad"): Promise<{ blob: Blob; name: string }> {
    const response = await this.send(`/jobs/${encodeURIComponent(id)}/export`, { ...this.ds, form }, {});
    const named = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "");
    return { blob: await response.blob(), name: named?.[1] ?? `change.${form}` };
  }

  async field(id: string): Promise<{ positions: Float32Array; vectors: Float32Array; facts: T.FieldFacts }> {
    const response = await this.send(`/jobs/${encodeURIComponent(id)}/field`, this.ds, {});
    const facts = JSON.parse(response.headers.get("X-Field") ?? "{}") as T.FieldFacts;
    const [positions, vectors] = decodeColumns(await response.arrayBuffer());
    if (!positions || !vectors) throw new ApiError(500, "field", "The field's answer is incomplete.");
    return { positions: positions.values as Float32Array, vectors: vectors.values as Float32Array, facts };
  }

  compare(jobA: string, jobB: string): Promise<T.JobComparison> {
    return this.get("/compare", { ...this.ds, job_a: jobA, job_b: jobB });
  }

  byType(genes: string[], by: string): Promise<T.ExpressionByType> {
    return this.get("/expression-by-type", { ...this.ds, genes: genes.join(","), by });
  }

  data(): Promise<T.DataListing> {
    return this.get("/data");
  }

  open(body: Record<"h5ad_id" | "run_id" | "layer" | "cluster_column" | "network_dir", string | null>) {
    return this.post<{ dataset: string }>("/open", body);
  }
}

/** One session for each browser tab, so that tabs do not cancel each other's work. */
export function tabSession(): string {
  const key = "stl.session";
  // a link of an assistant names its session, so that this page shows what it has computed
  let session = /(?:^#|&)session=([0-9a-f]{16,64})(?:&|$)/.exec(location.hash)?.[1] ?? "";
  try {
    if (session) sessionStorage.setItem(key, session);
    else session = sessionStorage.getItem(key) ?? "";
  } catch {
    // storage may be refused in an embedded page: the session then lasts as long as the page
  }
  if (!session) {
    session = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
    try {
      sessionStorage.setItem(key, session);
    } catch {
      // as above
    }
  }
  return session;
}
