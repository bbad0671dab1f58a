/** The pinned cell: what it is, and with the lens, whom it signals to. */

import type { CellContext, ContextEdge } from "../api/types";
import { context, lensBusy, lensForm, lensOn, support } from "../state/lens";
import type { LensForm } from "../state/lens";
import { meta, pin, pinned, pinnedFacts } from "../state/store";
import { distance, lengthUnit } from "../map/scale";
import { renderer } from "../map/stage";
import { GeneSearch } from "../ui/gene-search";
import { Bar, Check, Empty, Field, IconButton, NumberField, Section, Segments } from "../ui/parts";
import { number, plural } from "../util/format";

export function CellPanel() {
  const facts = pinnedFacts.value;
  if (pinned.value < 0) return null;
  return (
    <Section name="cell" title="Cell" note={facts?.name ?? `cell ${pinned.value}`}>
      {facts ? (
        <dl class="facts">
          <div>
            <dt>position</dt>
            <dd>
              {facts.xy.map((value) => number(value)).join(", ")} <small>{lengthUnit()}</small>
            </dd>
          </div>
          {Object.entries(facts.obs).map(([term, value]) => (
            <div key={term}>
              <dt>{term}</dt>
              <dd>{typeof value === "number" ? number(value) : (value ?? "–")}</dd>
            </div>
          ))}
        </dl>
      ) : (
        <Empty>Reading…</Empty>
      )}
      <button class="small" onClick={() => pin(-1)}>
        Let go
      </button>
    </Section>
  );
}

/** Pairs of a neighbour that are listed; they come strongest first. */
const FIRST = 12;

function Chain({ edge, gene, most }: { edge: ContextEdge; gene: string; most: number }) {
  return (
    <li class="chain">
      <span class="path" title={[edge.tf, `${edge.ligand}–${edge.receptor}`, gene].filter(Boolean).join(" → ")}>
        {edge.tf && (
          <>
            <em title="regulator linked to the ligand">{edge.tf}</em>
            <i>→</i>
          </>
        )}
        <b title={`ligand, expression ${number(edge.ligand_expr)}`}>{edge.ligand}</b>
        <i>–</i>
        <b title={`receptor, expression ${number(edge.receptor_expr)}`}>{edge.receptor}</b>
        <i>→</i>
        <em>{gene}</em>
      </span>
      <Bar share={edge.support / most} />
      <small title={edge.beta ? "support, and the fitted coefficient" : "support; no fitted coefficient"}>
        {number(edge.support)}
        {edge.beta !== null && edge.beta !== 0 && ` · β ${number(edge.beta)}`}
      </small>
    </li>
  );
}

function Neighbours({ found }: { found: CellContext }) {
  const linked = found.neighbours.filter((n) => n.edges.length > 0).sort((a, b) => support(b) - support(a));
  const most = linked[0] ? support(linked[0]) : 1;
  return (
    <>
      <button
        class="small"
        onClick={() => renderer.value?.lookAt([found.cell, ...found.neighbours.map((neighbour) => neighbour.index)])}
      >
        Zoom to these cells
      </button>
      <p class="fact" aria-live="polite">
        {plural(linked.length, "neighbour")} of {found.n_in_query} with a supported ligand–receptor pair
      </p>
      {linked.map((neighbour, i) => (
        <details class="more group" key={neighbour.index} open={i < 2}>
          <summary>
            {neighbour.cell_type ?? "cell"}{" "}
            <small>
              {distance(neighbour.distance)} · {plural(neighbour.edges.length, "pair")}
            </small>
          </summary>
          <ul class="chains">
            {neighbour.edges.slice(0, FIRST).map((edge) => (
              <Chain key={`${edge.ligand}$${edge.receptor}`} edge={edge} gene={found.gene} most={most} />
            ))}
          </ul>
          {neighbour.edges.length > FIRST && <p class="hint">and {neighbour.edges.length - FIRST} weaker ones</p>}
          <button class="link" onClick={() => pin(neighbour.index)}>
            Look from cell {neighbour.index}
          </button>
        </details>
      ))}
    </>
  );
}

export function LensPanel() {
  const facts = meta.value;
  if (!facts?.network.loaded) return null;
  const at = lensForm.value;
  const set = (part: Partial<LensForm>) => (lensForm.value = { ...at, ...part });
  return (
    <Section name="lens" title="Interaction lens" initially={false} note={lensOn.value ? "on" : ""}>
      <div class="line">
        <Check label="Show whom a clicked cell signals to" checked={lensOn.value} onChange={(on) => (lensOn.value = on)} />
        {lensBusy.value && <i class="spinner" role="status" aria-label="Looking up neighbours" />}
        {pinned.value >= 0 && <IconButton icon="close" label="Let the cell go" onClick={() => pin(-1)} />}
      </div>
      {lensOn.value && (
        <>
          <Field label="Target gene">
            <GeneSearch
              id="lens-gene"
              label="Target gene of the lens"
              value={at.gene}
              placeholder="Gene the signals act on"
              onChoose={(gene) => set({ gene })}
            />
          </Field>
          <Segments
            label="Direction"
            value={at.direction}
            options={[
              { key: "sending", text: "Cell sends" },
              { key: "receiving", text: "Cell receives" },
            ]}
            onChange={(direction) => set({ direction })}
          />
          <div class="grid two">
            <Segments
              label="Neighbours by"
              value={at.mode}
              options={[
                { key: "knn", text: "Nearest" },
                { key: "radius", text: "Radius" },
              ]}
              onChange={(mode) => set({ mode })}
            />
            {at.mode === "knn" ? (
              <NumberField label="How many" value={at.neighbours} min={1} max={200} step={1} onChange={(neighbours) => set({ neighbours })} />
            ) : (
              <NumberField label={`Radius (${lengthUnit()})`} value={at.radius} min={1e-9} onChange={(radius) => set({ radius })} />
            )}
          </div>
          {!at.gene && <Empty>Choose a target gene.</Empty>}
          {at.gene && pinned.value < 0 && <Empty>Click a cell on the map.</Empty>}
          {context.value && <Neighbours found={context.value} />}
        </>
      )}
    </Section>
  );
}
