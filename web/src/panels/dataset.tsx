/** What is open, and what else the server offers. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { DataListing, Meta } from "../api/types";
import { distance } from "../map/scale";
import { openDataset } from "../state/boot";
import { client, meta, report, status } from "../state/store";
import { Empty, Field, Section } from "../ui/parts";
import { bytes, count, number, plural } from "../util/format";

const listing = signal<DataListing | null>(null);
const choice = signal({ h5ad: "", run: "", layer: "", cluster: "", network: "" });
const opening = signal(false);
const problem = signal("");

async function open(): Promise<void> {
  const { h5ad, run, layer, cluster, network } = choice.value;
  opening.value = true;
  problem.value = "";
  try {
    await client.open({
      h5ad_id: h5ad || null,
      run_id: run || null,
      layer: layer.trim() || null,
      cluster_column: cluster.trim() || null,
      network_dir: network.trim() || null,
    });
    await openDataset(false);
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
  } finally {
    opening.value = false;
  }
}

function Files({ label, kind, value, onChange }: { label: string; kind: string; value: string; onChange: (id: string) => void }) {
  const roots = listing.value?.roots ?? [];
  return (
    <Field label={label}>
      <select value={value} onChange={(event) => onChange((event.currentTarget as HTMLSelectElement).value)}>
        <option value="">None</option>
        {roots.map((root) => (
          <optgroup key={root.name} label={root.name}>
            {root.files
              .filter((file) => file.kind === kind)
              .map((file) => (
                <option key={file.id} value={file.id}>
                  {file.size ? `${file.name} (${bytes(file.size)})` : file.name}
                </option>
              ))}
          </optgroup>
        ))}
      </select>
    </Field>
  );
}

export function OpenForm() {
  useEffect(() => {
    if (!listing.value) client.data().then((answer) => (listing.value = answer), report);
  }, []);
  const set = (part: Partial<typeof choice.value>) => (choice.value = { ...choice.value, ...part });
  const files = listing.value?.roots.flatMap((root) => root.files) ?? [];
  if (listing.value && files.length === 0) {
    return <Empty>The folders of this server hold no .h5ad file and no run. Start it with --h5ad, --run-toml or --data-root.</Empty>;
  }
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void open();
      }}
    >
      <Files label="Sample (.h5ad)" kind="h5ad" value={choice.value.h5ad} onChange={(h5ad) => set({ h5ad })} />
      <Files label="Training run" kind="run" value={choice.value.run} onChange={(run) => set({ run })} />
      <div class="grid two">
        <Field label="Layer">
          <input
            type="text"
            placeholder={choice.value.run ? "that of the run" : "imputed_count"}
            value={choice.value.layer}
            onInput={(event) => set({ layer: (event.currentTarget as HTMLInputElement).value })}
          />
        </Field>
        <Field label="Cluster column">
          <input
            type="text"
            placeholder={choice.value.run ? "that of the run" : "cell_type"}
            value={choice.value.cluster}
            onInput={(event) => set({ cluster: (event.currentTarget as HTMLInputElement).value })}
          />
        </Field>
      </div>
      <Field label="Network folder">
        <input
          type="text"
          placeholder="as in training"
          value={choice.value.network}
          onInput={(event) => set({ network: (event.currentTarget as HTMLInputElement).value })}
        />
      </Field>
      <button class="primary" disabled={opening.value || (!choice.value.h5ad && !choice.value.run)}>
        {opening.value ? "Opening…" : "Open"}
      </button>
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </form>
  );
}

/** How long a coordinate unit is, and who says so. */
function unitText({ um_per_unit: um, source }: Meta["unit"]): string {
  if (um === null) return "scale unknown";
  return `${um === 1 ? "micrometres" : `a unit is ${number(um)} µm`}${source ? ` (${source})` : ""}`;
}

export function DatasetPanel() {
  const facts = meta.value;
  if (!facts || status.value !== "ready") return null;
  const rows: [string, string][] = [
    ["Cells", count(facts.n_obs)],
    ["Genes", count(facts.n_vars)],
    ["Layer", facts.layer],
    ["Clusters", facts.cluster_column ?? "none"],
    ["Network", facts.network.loaded ? (facts.network.species ?? "loaded") : "not loaded"],
    ["Coordinates", unitText(facts.unit)],
    ...(facts.unit.radius === null ? [] : [["Signal radius", distance(facts.unit.radius)] as [string, string]]),
    ["Run", facts.run ? `${facts.run.name} (${plural(facts.run.genes, "gene")}, by ${facts.run.row_label})` : "none"],
  ];
  return (
    <Section name="dataset" title="Data" initially={false} note={facts.title}>
      <dl class="facts">
        {rows.map(([term, text]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      {facts.unit.um_per_unit === null && (
        <p class="hint">
          The file does not say how long a coordinate unit is. How to tell: <code>spacetravlr peek FILE</code> prints how
          far apart neighbouring cells lie. In a section this is 8 to 15 µm, between spots of Visium 100 µm.{" "}
          <code>spacetravlr prepare FILE -o NEW --um-per-unit NUMBER</code> then writes a file in micrometres.
        </p>
      )}
      {(facts.notices ?? []).length > 0 && (
        <ul class="notes">
          {facts.notices?.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      <details class="more">
        <summary>Open other data</summary>
        <OpenForm />
      </details>
    </Section>
  );
}
