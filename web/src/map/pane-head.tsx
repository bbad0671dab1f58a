/** What a pane shows, its colour bar with ends and unit, and its loading or error state. */

import { MISSING, mapStops, rgbHex, sample } from "../colour/maps";
import type { Pane } from "../state/panes";
import { activePane, specTitle, specUnit } from "../state/panes";
import { obsColumn, split, theme } from "../state/store";
import { count, number } from "../util/format";

export function gradient(pane: Pane): string {
  const stops = mapStops(pane.mapName.value, theme.value);
  const colours = Array.from({ length: 17 }, (_, i) => rgbHex(sample(stops, i / 16)));
  return `linear-gradient(to right, ${colours.join(", ")})`;
}

function ColourBar({ pane }: { pane: Pane }) {
  const now = pane.shaded.value;
  if (!now || now.form === "categorical") return null;
  const stretched = now.form === "stretched";
  const { lo, hi } = pane.shown.value;
  const missing = now.counts[255]!;
  const ends = stretched ? ["−max", "0", "+max"] : [number(lo), lo < 0 && hi > 0 ? "0" : "", number(hi)];
  const zero = !stretched && lo < 0 && hi > 0 ? (-lo / (hi - lo)) * 100 : 50;
  return (
    <div class="colourbar" role="img" aria-label={`Colours from ${ends[0]} to ${ends[2]}, ${specUnit(now.spec)}`}>
      <i class="ramp" style={{ background: gradient(pane) }} />
      <div class="ends">
        <span>{ends[0]}</span>
        <span class="mid" style={{ left: `${zero}%` }}>
          {ends[1]}
        </span>
        <span>{ends[2]}</span>
      </div>
      {missing > 0 && (
        <div class="missing">
          <i class="swatch" style={{ background: rgbHex(MISSING[theme.value]) }} />
          {count(missing)} cells without a value
        </div>
      )}
    </div>
  );
}

export function PaneHead({ pane }: { pane: Pane }) {
  const spec = pane.spec.value;
  const active = split.value && activePane.value === pane.key;
  const stretched = pane.shaded.value?.form === "stretched";
  const unit = spec ? `${specUnit(spec)}${stretched ? ", stretched within each cluster" : ""}` : "";
  const kinds = spec?.kind === "obs" ? obsColumn(spec.name)?.categories?.length : undefined;
  return (
    <div class={active ? "head active" : "head"} data-pane={pane.key}>
      <div class="head-line">
        {split.value && (
          <button
            class="pane-key"
            aria-pressed={active}
            title="Edit this view in the colour panel"
            onClick={() => (activePane.value = pane.key)}
          >
            {pane.key.toUpperCase()}
          </button>
        )}
        <h2 aria-live="polite">{spec ? specTitle(spec) : split.value ? "Choose what this view shows" : ""}</h2>
        {pane.busy.value && <i class="spinner" role="status" aria-label="Loading colours" />}
      </div>
      {unit && <div class="unit">{unit}</div>}
      {kinds !== undefined && <div class="unit">{count(kinds)} categories</div>}
      <ColourBar pane={pane} />
      {pane.error.value && (
        <div class="pane-error" role="alert">
          {pane.error.value}
        </div>
      )}
    </div>
  );
}
