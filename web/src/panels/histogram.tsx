/** Distribution of the shown values in the colours of the map, with two handles for the range. */

import type { Pane } from "../state/panes";
import { number } from "../util/format";
import { gradient } from "../map/pane-head";

const BINS = 64;

/** Heights 0..1 on a square-root scale: the many zeros of a gene would otherwise hide everything else. */
function heights(counts: Uint32Array): number[] {
  const bins = new Array<number>(BINS).fill(0);
  for (let byte = 0; byte <= 254; byte++) bins[Math.min(Math.floor((byte * BINS) / 255), BINS - 1)]! += counts[byte]!;
  const most = Math.max(...bins, 1);
  return bins.map((n) => Math.sqrt(n / most));
}

export function Histogram({ pane }: { pane: Pane }) {
  const now = pane.shaded.value;
  if (!now) return null;
  const { lo, hi } = now.data;
  const shown = pane.shown.value;
  const [min, max] = [Math.min(lo, shown.lo), Math.max(hi, shown.hi)];
  const width = max - min || 1;
  const bars = heights(now.counts);
  const at = (value: number) => ((value - min) / width) * 100;
  const barWidth = ((hi - lo) / width) * (100 / BINS);
  const move = (end: "lo" | "hi") => (event: Event) => {
    const value = (event.currentTarget as HTMLInputElement).valueAsNumber;
    const next = { ...shown, [end]: value };
    if (next.lo < next.hi) pane.range.value = next;
  };
  const step = width / 254;
  return (
    <div class="histogram">
      <svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
        {bars.map((height, i) => (
          <rect
            key={i}
            x={at(lo) + i * barWidth}
            y={24 - 24 * height}
            width={barWidth * 0.86}
            height={24 * height}
            class={inside(lo + ((i + 0.5) * (hi - lo)) / BINS, shown) ? "in" : "out"}
          />
        ))}
      </svg>
      <i class="ramp" style={{ background: gradient(pane), left: `${at(shown.lo)}%`, width: `${at(shown.hi) - at(shown.lo)}%` }} />
      <input type="range" aria-label="Lower end of the colours" aria-valuetext={number(shown.lo)} min={min} max={max} step={step} value={shown.lo} onInput={move("lo")} />
      <input type="range" aria-label="Upper end of the colours" aria-valuetext={number(shown.hi)} min={min} max={max} step={step} value={shown.hi} onInput={move("hi")} />
    </div>
  );
}

function inside(value: number, { lo, hi }: { lo: number; hi: number }): boolean {
  return value >= lo && value <= hi;
}
