/** Where a perturbation would move cells: a field of arrows over a layout. */

import { arrowStyle, current, field, fieldForm, jobs, runField } from "../state/jobs";
import type { FieldForm } from "../state/jobs";
import { isSpatial, layout, loadLayout, meta, obsColumn, report } from "../state/store";
import { Icon } from "../ui/icons";
import { Check, Empty, Field, NumberField, Section, SelectField } from "../ui/parts";
import { JobLine } from "./perturb";

function set(part: Partial<FieldForm>): void {
  fieldForm.value = { ...fieldForm.value, ...part };
}

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  onChange: (value: number) => void;
}

function Slider({ label, value, min, max, step, onChange }: SliderProps) {
  return (
    <Field label={label}>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        onInput={(event) => onChange((event.currentTarget as HTMLInputElement).valueAsNumber)}
      />
    </Field>
  );
}

function Arrows() {
  const shown = field.value;
  if (!shown) return null;
  const style = arrowStyle.value;
  const put = (part: Partial<typeof style>) => (arrowStyle.value = { ...style, ...part });
  return (
    <>
      {shown.embedding !== layout.value && (
        <p class="hint">
          The arrows belong to {shown.embedding}.{" "}
          <button
            class="inline"
            onClick={() => loadLayout(shown.embedding).then(() => (layout.value = shown.embedding), report)}
          >
            Show that layout
          </button>
        </p>
      )}
      <div class="grid two">
        <Slider label="Length" value={style.length} min={0.2} max={6} step={0.1} onChange={(length) => put({ length })} />
        <Slider label="Line" value={style.width} min={0.5} max={5} step={0.25} onChange={(width) => put({ width })} />
        <Slider label="Head" value={style.head} min={0.1} max={0.6} step={0.05} onChange={(head) => put({ head })} />
        <Slider label="Every nth" value={style.stride} min={1} max={6} step={1} onChange={(stride) => put({ stride })} />
      </div>
      <button class="small" onClick={() => (field.value = null)}>
        Hide arrows
      </button>
    </>
  );
}

export function FieldPanel() {
  const facts = meta.value;
  const at = fieldForm.value;
  const types = obsColumn(facts?.cell_type_column ?? null)?.categories ?? [];
  const fieldJobs = jobs.value.filter((job) => job.kind === "field");
  if (!facts?.run) return null;
  // a change never leads from one piece of tissue into another
  const fields = facts.embeddings.filter((e) => facts.samples.length < 2 || !isSpatial(e.name));
  const names = fields.map((e) => [e.name, e.name] as const);
  const embedding = names.some(([name]) => name === at.embedding) ? at.embedding : names[0]?.[0];
  return (
    <Section name="field" title="Transition field" initially={false}>
      {!current.value && <Empty>Run a perturbation first: the arrows show where its change would move cells.</Empty>}
      {current.value && (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (embedding && embedding !== at.embedding) set({ embedding });
            void runField();
          }}
        >
          <div class="grid two">
            <SelectField label="Layout" value={embedding ?? ""} options={names} onChange={(name) => set({ embedding: name })} />
            <NumberField label="Neighbours" value={at.n_neighbors} min={3} max={500} step={1} onChange={(n_neighbors) => set({ n_neighbors })} />
            <NumberField label="Temperature" value={at.temperature} min={1e-6} hint="Smaller follows the best neighbour more strictly" onChange={(temperature) => set({ temperature })} />
            <NumberField label="Grid points" value={at.grid_size} min={4} max={140} step={1} hint="Arrows along the longer side of the layout" onChange={(grid_size) => set({ grid_size })} />
            <NumberField label="Change ×" value={at.delta_rescale} hint="The change is multiplied by this and rounded to 3 decimals" onChange={(delta_rescale) => set({ delta_rescale })} />
            <NumberField label="Threshold" value={at.magnitude_threshold} min={0} max={1} hint="Arrows shorter than this share of the longest are left out" onChange={(magnitude_threshold) => set({ magnitude_threshold })} />
          </div>
          <Check label="Subtract what no change would give" checked={at.remove_null} onChange={(remove_null) => set({ remove_null })} />
          <Check label="Directions of equal length" checked={at.unit_directions} onChange={(unit_directions) => set({ unit_directions })} />
          {types.length > 0 && (
            <details class="more">
              <summary>
                Only some types {at.limit_types.length > 0 && <small>{at.limit_types.length} chosen</small>}
              </summary>
              <div class="ticks" role="group" aria-label="Types with arrows">
                {types.slice(0, 300).map((label) => (
                  <Check
                    key={label}
                    label={label}
                    checked={at.limit_types.includes(label)}
                    onChange={(on) =>
                      set({ limit_types: on ? [...at.limit_types, label] : at.limit_types.filter((t) => t !== label) })
                    }
                  />
                ))}
              </div>
            </details>
          )}
          <button class="primary">
            <Icon name="play" /> Compute arrows
          </button>
        </form>
      )}
      {fieldJobs.length > 0 && (
        <ul class="jobs" aria-label="Fields">
          {fieldJobs.slice(-3).map((job) => (
            <JobLine key={job.id} job={job} />
          ))}
        </ul>
      )}
      <Arrows />
    </Section>
  );
}
