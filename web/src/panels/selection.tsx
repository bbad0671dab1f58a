/** The selected cells: how many, of which groups, what they show, and what can be done with them. */

import { computed, signal } from "@preact/signals";
import { valueOf } from "../api/columns";
import { categoryColour } from "../colour/categories";
import { rgbHex } from "../colour/maps";
import { form } from "../state/jobs";
import { panes, specTitle } from "../state/panes";
import { clearSelection, fade, invertSelection, selected, selectedByType, selectedCount, selectionBusy } from "../state/select";
import { meta, report, tool } from "../state/store";
import { openSide } from "../app";
import { selectInView } from "../map/stage";
import { Bar, Check, Empty, Section, focusSoon, openSection } from "../ui/parts";
import { count, number, percent } from "../util/format";
import { saveSelectionCsv } from "../export/csv";

/** Means inside and outside of the selection of what view A shows. */
const means = computed(() => {
  const marks = selected.value;
  const now = panes.a.shaded.value;
  if (!marks || !now || now.form === "categorical") return null;
  const sums = [0, 0];
  const counts = [0, 0];
  for (let i = 0; i < marks.length; i++) {
    const value = valueOf(now.column, i);
    if (Number.isNaN(value)) continue;
    sums[marks[i]!]! += value;
    counts[marks[i]!]!++;
  }
  return { title: specTitle(now.spec), inside: sums[1]! / counts[1]!, outside: sums[0]! / counts[0]! };
});

const saving = signal(false);

export function SelectionPanel() {
  const n = selectedCount.value;
  const total = meta.value?.n_obs ?? 1;
  const rows = selectedByType.value;
  const most = rows[0]?.n ?? 1;
  return (
    <Section name="selection" title="Selection" note={n ? `${count(n)} cells` : ""}>
      {n === 0 ? (
        <Empty>
          Draw a <button class="inline" onClick={() => (tool.value = "box")}>box</button> or a{" "}
          <button class="inline" onClick={() => (tool.value = "lasso")}>lasso</button>, or take{" "}
          <button class="inline" onClick={selectInView}>all cells in view</button>. Shift adds, Alt takes away.
        </Empty>
      ) : (
        <>
          <p class="fact">
            <b>{count(n)}</b> of {count(total)} cells ({percent(n / total)})
          </p>
          <ul class="rows bars">
            {rows.slice(0, 8).map((row) => (
              <li key={row.label}>
                <i class="swatch" style={{ background: rgbHex(categoryColour(row.code)) }} />
                <span>{row.label}</span>
                <Bar share={row.n / most} />
                <small>{count(row.n)}</small>
              </li>
            ))}
          </ul>
          {rows.length > 8 && <p class="hint">and {rows.length - 8} more groups</p>}
          {means.value && (
            <p class="fact">
              Mean of {means.value.title}: <b>{number(means.value.inside)}</b> inside, {number(means.value.outside)} outside
            </p>
          )}
          <Check label="Fade the other cells" checked={fade.value} onChange={(on) => (fade.value = on)} />
          <div class="buttons">
            <button
              class="small"
              disabled={meta.value?.run === null}
              onClick={() => {
                form.value = { ...form.value, scope: "selection", labels: [] };
                openSide("right");
                openSection("perturb");
                focusSoon("perturb-gene");
              }}
            >
              Perturb these
            </button>
            <button class="small" onClick={selectInView}>
              All in view
            </button>
            <button class="small" onClick={invertSelection}>
              Invert
            </button>
            <button
              class="small"
              disabled={saving.value}
              onClick={() => {
                saving.value = true;
                saveSelectionCsv()
                  .catch(report)
                  .finally(() => (saving.value = false));
              }}
            >
              {saving.value ? "Writing…" : "Save CSV"}
            </button>
            <button class="small" disabled={selectionBusy.value} onClick={clearSelection}>
              Clear
            </button>
          </div>
        </>
      )}
    </Section>
  );
}
