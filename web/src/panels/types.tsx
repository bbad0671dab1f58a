/** Legend and filter in one: a checkbox with a count for each label of a categorical column. */

import { signal } from "@preact/signals";
import { categoryColour } from "../colour/categories";
import { rgbHex } from "../colour/maps";
import { drawnByType, filterColumn, filterName, hidden, onlyType, toggleType } from "../state/select";
import { applyStep, sampleNow } from "../state/select";
import { show } from "../state/panes";
import { categoricalColumns } from "../state/store";
import { Section, SelectField } from "../ui/parts";
import { count } from "../util/format";

const query = signal("");
const MANY = 14;
const SHOWN = 300;

export function TypesPanel() {
  const column = filterColumn.value;
  const columns = categoricalColumns.value;
  if (!column?.categories) return null;
  const labels = column.categories;
  const off = labels.filter((label) => hidden.value.has(label)).length;
  const low = query.value.toLowerCase();
  const rows = labels
    .map((label, code) => ({ label, code, n: drawnByType.value[code] ?? 0 }))
    .filter((row) => row.label.toLowerCase().includes(low));
  return (
    <Section name="types" title="Groups" note={off ? `${count(labels.length - off)} of ${count(labels.length)} shown` : ""}>
      <div class="grid types-head">
        <SelectField
          label="Column"
          value={column.name}
          options={columns.map((c) => [c.name, c.name] as const)}
          onChange={(name) => {
            hidden.value = new Set();
            query.value = "";
            filterName.value = name;
          }}
        />
        <button class="small" onClick={() => show({ kind: "obs", name: column.name })}>
          Colour
        </button>
        <button class="small" disabled={off === 0} onClick={() => (hidden.value = new Set())}>
          All
        </button>
        <button class="small" disabled={off === labels.length} onClick={() => (hidden.value = new Set(labels))}>
          None
        </button>
      </div>
      {labels.length > MANY && (
        <input
          type="search"
          aria-label="Search groups"
          placeholder="Search groups"
          value={query.value}
          onInput={(event) => (query.value = (event.currentTarget as HTMLInputElement).value)}
        />
      )}
      <ul class="rows types" aria-label={`Groups of ${column.name}`}>
        {rows.slice(0, SHOWN).map(({ label, code, n }) => (
          <li key={label} class={hidden.value.has(label) ? "off" : ""}>
            <label>
              <input type="checkbox" checked={!hidden.value.has(label)} onChange={() => toggleType(label)} />
              <i class="swatch" style={{ background: rgbHex(categoryColour(code)) }} />
              <span>{label}</span>
              <small>{count(n)}</small>
            </label>
            <button class="ghost" title={`Show only ${label}`} aria-label={`Show only ${label}`} onClick={() => onlyType(label)}>
              only
            </button>
            <button
              class="ghost"
              title={`Select all cells of ${label} (Shift adds)`}
              aria-label={`Select all cells of ${label}`}
              onClick={(event) =>
                void applyStep({
                  op: event.shiftKey ? "add" : "set",
                  kind: "category",
                  column: column.name,
                  category: label,
                  sample: sampleNow(),
                })
              }
            >
              select
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
}
