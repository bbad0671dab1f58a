/** What to perturb, where, and how it goes on. */

import type { Job } from "../api/types";
import { form, formProblem, cancelJob, current, forgetJob, perturbJobs, present, runPerturbation } from "../state/jobs";
import { selectedCount } from "../state/select";
import { meta, obsColumn } from "../state/store";
import type { PerturbForm } from "../state/url";
import { GeneSearch } from "../ui/gene-search";
import { Icon } from "../ui/icons";
import { Check, Empty, IconButton, NumberField, Section, Segments } from "../ui/parts";
import { count, percent, seconds } from "../util/format";

const DOSES: readonly (readonly [string, string])[] = [
  ["0", "Knock-out"],
  ["x0.5", "× 0.5"],
  ["x2", "× 2"],
  ["q95", "95 % quantile"],
  ["+1", "+ 1"],
  ["value", "Value…"],
];

function Target({ at }: { at: number }) {
  const target = form.value.targets[at]!;
  const preset = DOSES.some(([key]) => key === target.dose);
  const set = (part: Partial<typeof target>) => {
    const targets = form.value.targets.map((t, i) => (i === at ? { ...t, ...part } : t));
    form.value = { ...form.value, targets };
  };
  return (
    <li class="target">
      <GeneSearch
        id={at === 0 ? "perturb-gene" : `perturb-gene-${at}`}
        label={`Gene ${at + 1} to perturb`}
        placeholder="Gene to perturb"
        value={target.gene}
        onChoose={(gene) => set({ gene })}
      />
      <select
        aria-label={`Dose of gene ${at + 1}`}
        value={preset ? target.dose : "value"}
        onChange={(event) => {
          const dose = (event.currentTarget as HTMLSelectElement).value;
          set({ dose: dose === "value" ? "1" : dose });
        }}
      >
        {DOSES.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
      {!preset && (
        <input
          type="number"
          class="dose"
          aria-label={`Expression of gene ${at + 1}`}
          min={0}
          step="any"
          value={target.dose}
          onChange={(event) => {
            const value = (event.currentTarget as HTMLInputElement).valueAsNumber;
            if (value >= 0) set({ dose: String(value) });
          }}
        />
      )}
      {form.value.targets.length > 1 && (
        <IconButton
          icon="close"
          label={`Remove gene ${at + 1}`}
          onClick={() => (form.value = { ...form.value, targets: form.value.targets.filter((_, i) => i !== at) })}
        />
      )}
    </li>
  );
}

function Groups({ column }: { column: string | null }) {
  const labels = obsColumn(column)?.categories ?? [];
  const counts = obsColumn(column)?.counts;
  const chosen = new Set(form.value.labels);
  const toggle = (label: string) => {
    if (!chosen.delete(label)) chosen.add(label);
    form.value = { ...form.value, labels: labels.filter((l) => chosen.has(l)) };
  };
  return (
    <div class="ticks" role="group" aria-label="Groups to perturb">
      {labels.slice(0, 300).map((label, i) => (
        <Check
          key={label}
          label={counts ? `${label} (${count(counts[i] ?? 0)})` : label}
          checked={chosen.has(label)}
          onChange={() => toggle(label)}
        />
      ))}
    </div>
  );
}

function Scope() {
  const facts = meta.value;
  const n = selectedCount.value;
  const options = [
    { key: "all", text: "All cells" },
    { key: "selection", text: "Selection", disabled: n === 0, title: n ? `${count(n)} cells` : "No cell is selected" },
    { key: "cell_type", text: "Types", disabled: !facts?.cell_type_column },
    { key: "cluster", text: "Clusters", disabled: !facts?.cluster_column },
  ] as const;
  const set = (scope: PerturbForm["scope"]) => (form.value = { ...form.value, scope, labels: [] });
  const { scope } = form.value;
  return (
    <>
      <Segments label="Cells to perturb" options={options} value={scope} onChange={set} />
      {scope === "selection" && n > 0 && <p class="hint">{count(n)} selected cells</p>}
      {scope === "cell_type" && <Groups column={facts?.cell_type_column ?? null} />}
      {scope === "cluster" && <Groups column={facts?.cluster_column ?? null} />}
    </>
  );
}

function ModelState() {
  const perturb = meta.value?.perturb;
  if (!perturb || perturb.state === "ready") return null;
  if (perturb.state === "loading") {
    return (
      <div class="progress-line" role="status" aria-live="polite">
        <span>Loading the model{perturb.label ? `: ${perturb.label}` : ""}</span>
        <progress max={1} value={perturb.progress} aria-label="Loading the model" />
      </div>
    );
  }
  if (perturb.state === "none") return <Empty>No training run is open: choose one under Data to perturb genes.</Empty>;
  return <p class="problem">{perturb.message ?? "The model could not be loaded."}</p>;
}

const STATES: Record<Job["state"], string> = {
  queued: "waiting",
  running: "running",
  done: "done",
  cancelled: "cancelled",
  failed: "failed",
};

export function JobLine({ job, onShow }: { job: Job; onShow?: () => void }) {
  const live = job.state === "queued" || job.state === "running";
  return (
    <li class={`job ${job.state}`} data-job={job.id} data-state={job.state}>
      <div class="job-line">
        {onShow && job.state === "done" ? (
          <button class="job-title" aria-pressed={current.value === job.id} onClick={onShow}>
            {job.title}
          </button>
        ) : (
          <span class="job-title">{job.title}</span>
        )}
        <small>{live ? percent(job.progress) : job.state === "done" ? seconds(job.seconds) : STATES[job.state]}</small>
        <IconButton
          icon={live ? "stop" : "close"}
          label={live ? `Cancel ${job.title}` : `Forget ${job.title}`}
          onClick={() => void (live ? cancelJob(job.id) : forgetJob(job.id))}
        />
      </div>
      {live && (
        <>
          <progress max={1} value={job.progress} aria-label={`Progress of ${job.title}`} />
          <small class="step">
            {job.step || STATES[job.state]}
          </small>
        </>
      )}
      {job.state === "failed" && <p class="problem">{job.message ?? "The computation failed."}</p>}
    </li>
  );
}

export function PerturbPanel() {
  const problem = formProblem();
  const { targets, n } = form.value;
  return (
    <Section name="perturb" title="Perturb">
      <ModelState />
      {meta.value?.perturb.state === "ready" && (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void runPerturbation();
          }}
        >
          <ul class="targets">
            {targets.map((_, i) => (
              <Target key={i} at={i} />
            ))}
          </ul>
          <button
            type="button"
            class="link"
            onClick={() => (form.value = { ...form.value, targets: [...targets, { gene: "", dose: "0" }] })}
          >
            <Icon name="plus" /> Add a gene
          </button>
          <Scope />
          <NumberField
            label="Propagation steps"
            hint="How often the change is passed on through models and ligands"
            value={n}
            min={1}
            max={32}
            step={1}
            onChange={(steps) => (form.value = { ...form.value, n: Math.round(steps) })}
          />
          <button class="primary" disabled={problem !== null}>
            <Icon name="play" /> Run perturbation
          </button>
          {problem && <p class="hint">{problem}</p>}
        </form>
      )}
      {perturbJobs.value.length > 0 && (
        <ul class="jobs" aria-label="Perturbations">
          {perturbJobs.value.map((job) => (
            <JobLine key={job.id} job={job} onShow={() => void present(job.id)} />
          ))}
        </ul>
      )}
    </Section>
  );
}
