/** What a view is coloured by: gene, coefficient, received ligand, annotation, or change after a perturbation. */

import { effect, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { ExpressionByType } from "../api/types";
import { MAP_LABELS, MAP_NAMES } from "../colour/maps";
import type { MapName } from "../colour/maps";
import type { Pane } from "../state/panes";
import { activePane, clipAt, comparable, panes, sameReadout, sameScale, show } from "../state/panes";
import { current, perturbJobs, present, readout, results, setReadout } from "../state/jobs";
import { filterName } from "../state/select";
import { client, meta, report, split } from "../state/store";
import type { ColourSpec } from "../state/url";
import { GeneSearch } from "../ui/gene-search";
import { Bar, Check, Empty, Field, NumberField, Section, Segments, SelectField, focusSoon } from "../ui/parts";
import { count, number, percent } from "../util/format";
import { Coefficient } from "./coefficient";
import { Histogram } from "./histogram";

type Source = ColourSpec["kind"];
const source = signal<Source>("obs");
// at once and not after the next picture: a key pressed in between may already have chosen another source
effect(() => {
  const now = panes[activePane.value].spec.value;
  if (now) source.value = now.kind;
});

export function focusGeneSearch(): void {
  source.value = "expr";
  focusSoon("gene-search");
}

/** Back to the map, so that the next single key is a command again. */
function focusStage(): void {
  document.querySelector<HTMLElement>("main.stage")?.focus();
}

const recent = signal<string[]>([]);

function showGene(gene: string): void {
  recent.value = [gene, ...recent.value.filter((g) => g !== gene)].slice(0, 6);
  show({ kind: "expr", gene });
}

function Gene({ spec }: { spec: ColourSpec | null }) {
  return (
    <>
      <GeneSearch
        id="gene-search"
        label="Gene"
        value={spec?.kind === "expr" ? spec.gene : ""}
        placeholder="Search genes  ( / )"
        onChoose={showGene}
        onDone={focusStage}
      />
      {recent.value.length > 0 && (
        <div class="chips" aria-label="Recent genes">
          {recent.value.map((gene) => (
            <button
              class="chip"
              key={gene}
              aria-pressed={spec?.kind === "expr" && spec.gene === gene}
              onClick={() => show({ kind: "expr", gene })}
            >
              {gene}
            </button>
          ))}
        </div>
      )}
      {spec?.kind === "expr" && filterName.value && <ByGroup gene={spec.gene} />}
    </>
  );
}

/** Mean of a gene in each group, and the share of cells that express it. */
function ByGroup({ gene }: { gene: string }) {
  const by = filterName.value;
  const [facts, setFacts] = useState<ExpressionByType | null>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open || !by) return;
    let live = true;
    client.byType([gene], by).then((answer) => {
      if (live) setFacts(answer);
    }, report);
    return () => {
      live = false;
    };
  }, [gene, by, open]);
  const groups = facts?.genes[0] === gene ? facts.groups.filter((group) => group.n > 0) : [];
  const rows = groups.map((group) => ({ ...group, level: group.mean[0] ?? 0, share: group.fraction[0] ?? 0 }));
  rows.sort((a, b) => b.level - a.level);
  const most = Math.max(...rows.map((row) => Math.abs(row.level)), 1e-300);
  return (
    <details class="more" onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>Mean by {by}</summary>
      <ul class="rows bars">
        {rows.slice(0, 60).map((row) => (
          <li key={row.label} title={`expressed in ${percent(row.share)} of ${count(row.n)} cells`}>
            <span>{row.label}</span>
            <Bar share={row.level / most} />
            <small>{number(row.level)}</small>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Signal({ spec }: { spec: ColourSpec | null }) {
  const matrix = spec?.kind === "received" ? spec.matrix : "lr";
  const gene = spec?.kind === "received" ? spec.gene : "";
  return (
    <>
      <GeneSearch
        label="Ligand"
        placeholder="Ligand that cells receive"
        value={gene}
        among={matrix === "lr" ? "ligands" : "tf_ligands"}
        onChoose={(ligand) => show({ kind: "received", gene: ligand, matrix })}
      />
      <Segments
        label="Received for"
        value={matrix}
        options={[
          { key: "lr", text: "Receptors" },
          { key: "tfl", text: "Ligand → TF" },
        ]}
        onChange={(key) => gene && show({ kind: "received", gene, matrix: key })}
      />
    </>
  );
}

function Annotation({ spec }: { spec: ColourSpec | null }) {
  const facts = meta.value;
  if (!facts) return null;
  const mark = (name: string) =>
    name === facts.cell_type_column ? "cell type" : name === facts.cluster_column ? "cluster" : "";
  return (
    <ul class="rows pick" aria-label="Annotation columns">
      {facts.obs.map((column) => (
        <li key={column.name}>
          <button
            aria-pressed={spec?.kind === "obs" && spec.name === column.name}
            onClick={() => show({ kind: "obs", name: column.name })}
          >
            <span>{column.name}</span>
            <small>{mark(column.name) || (column.kind === "numeric" ? "number" : `${column.categories?.length ?? 0} labels`)}</small>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Change({ spec, pane }: { spec: ColourSpec | null; pane: Pane }) {
  const done = perturbJobs.value.filter((job) => job.state === "done");
  const id = spec?.kind === "delta" ? spec.job : current.value;
  const among = id ? results.value.get(id)?.top.map((row) => row.gene) : undefined;
  if (!done.length) return <Empty>Run a perturbation first: its change of every gene can then be shown here.</Empty>;
  return (
    <>
      <SelectField
        label="Perturbation"
        value={id ?? ""}
        options={done.map((job) => [job.id, job.title] as const)}
        onChange={(job) => void present(job, pane.key)}
      />
      <Field label="Gene read out">
        <GeneSearch
          label="Gene read out"
          value={spec?.kind === "delta" ? spec.gene : readout.value}
          onChoose={setReadout}
        />
      </Field>
      {among && (
        <div class="chips" aria-label="Genes that change most">
          {among.slice(0, 8).map((gene) => (
            <button
              class="chip"
              key={gene}
              aria-pressed={spec?.kind === "delta" && spec.gene === gene}
              onClick={() => setReadout(gene)}
            >
              {gene}
            </button>
          ))}
        </div>
      )}
    </>
  );
}

function Scale({ pane }: { pane: Pane }) {
  const now = pane.shaded.value;
  if (!now || now.form === "categorical") return null;
  const shown = pane.shown.value;
  const set = (lo: number, hi: number) => (pane.range.value = lo < hi ? { lo, hi } : null);
  return (
    <div class="scale-panel">
      {now.form === "continuous" && <Histogram pane={pane} />}
      <div class="grid two">
        <SelectField
          label="Colour map"
          value={pane.mapName.value}
          options={MAP_NAMES.map((name) => [name, MAP_LABELS[name]] as const)}
          onChange={(name) => (pane.map.value = name as MapName)}
        />
        {now.form === "continuous" && (
          <Field label="Clip">
            <select
              value=""
              onChange={(event) => {
                const select = event.currentTarget as HTMLSelectElement;
                if (select.value === "1") pane.range.value = null;
                else if (select.value) clipAt(pane, Number(select.value));
                select.value = "";
              }}
            >
              <option value="">Choose…</option>
              <option value="1">Full range</option>
              <option value="0.999">99.9 % of cells</option>
              <option value="0.99">99 % of cells</option>
              <option value="0.95">95 % of cells</option>
            </select>
          </Field>
        )}
      </div>
      {comparable(pane.key) && sameReadout() && <p class="hint">Both views have one scale: they show one gene.</p>}
      {comparable(pane.key) && !sameReadout() && (
        <Check label="Same scale in both views" checked={sameScale.value} onChange={(on) => (sameScale.value = on)} />
      )}
      {now.form === "continuous" && (
        <div class="grid two">
          <NumberField label="From" value={shown.lo} onChange={(lo) => set(lo, shown.hi)} />
          <NumberField label="To" value={shown.hi} onChange={(hi) => set(shown.lo, hi)} />
        </div>
      )}
    </div>
  );
}

export function ColourPanel() {
  const pane = panes[activePane.value];
  const spec = pane.spec.value;
  const facts = meta.value;
  const hasRun = facts?.run !== null;
  const canPerturb = facts?.perturb.state === "ready";
  const sources = [
    { key: "expr", text: "Gene" },
    { key: "beta", text: "Beta", disabled: !hasRun, title: hasRun ? "Fitted coefficients" : "Needs a training run" },
    {
      key: "received",
      text: "Received",
      disabled: !canPerturb,
      title: canPerturb ? "How much of a ligand each cell receives" : "Needs a loaded model",
    },
    { key: "obs", text: "Label" },
    { key: "delta", text: "Change", disabled: !hasRun, title: "Change after a perturbation" },
  ] as const;
  return (
    <Section name="colour" title="Colour" note={split.value ? `view ${activePane.value.toUpperCase()}` : ""}>
      {split.value && (
        <Segments
          label="View to edit"
          value={activePane.value}
          options={[
            { key: "a", text: "View A" },
            { key: "b", text: "View B" },
          ]}
          onChange={(key) => (activePane.value = key)}
        />
      )}
      <Segments label="Colour by" options={sources} value={source.value} onChange={(key) => (source.value = key)} />
      {source.value === "expr" && <Gene spec={spec} />}
      {source.value === "beta" && <Coefficient spec={spec} />}
      {source.value === "received" && <Signal spec={spec} />}
      {source.value === "obs" && <Annotation spec={spec} />}
      {source.value === "delta" && <Change spec={spec} pane={pane} />}
      <Scale pane={pane} />
    </Section>
  );
}
