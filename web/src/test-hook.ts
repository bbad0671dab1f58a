/** What browser tests and the benchmark read; only there with `?test=1`. */

import { renderer } from "./map/stage";
import { screenOf } from "./map/pick";
import { context } from "./state/lens";
import { field, jobs, readout } from "./state/jobs";
import { panes, show } from "./state/panes";
import { flags, hidden, selected, selectedCount } from "./state/select";
import { camera, hovered, layout, meta, pinned, status } from "./state/store";
import type { ColourSpec } from "./state/url";

export function startTestHook(): void {
  Object.assign(window, {
    __stl: {
      state: () => ({
        status: status.value,
        layout: layout.value,
        a: panes.a.spec.value,
        b: panes.b.spec.value,
        busy: panes.a.busy.value || panes.b.busy.value,
        n: meta.value?.n_obs ?? 0,
        range: panes.a.shown.value,
        selected: selectedCount.value,
        hidden: [...hidden.value],
        hovered: hovered.value,
        pinned: pinned.value,
        camera: camera.value,
        readout: readout.value,
        jobs: jobs.value,
        arrows: field.value ? field.value.positions.length / 2 : 0,
        neighbours: context.value?.neighbours.length ?? 0,
      }),
      show: (spec: ColourSpec) => show(spec, "a"),
      screenOf,
      selectedIndices: () => [...(selected.value ?? [])].flatMap((mark, i) => (mark ? [i] : [])),
      flagCounts: () => flags.value.reduce<Record<number, number>>((n, f) => ((n[f] = (n[f] ?? 0) + 1), n), {}),
      bytes: (key: "a" | "b") => Array.from(panes[key].shaded.value?.bytes.slice(0, 1000) ?? []),
      /** Colour of the drawn picture at a cell. */
      pixel: (cell: number) => {
        const at = screenOf(cell);
        const canvas = renderer.value?.canvas();
        const gl = canvas?.getContext("webgl2");
        if (!at || !canvas || !gl) return null;
        const k = canvas.width / canvas.clientWidth;
        const out = new Uint8Array(4);
        gl.readPixels(Math.round(at[0] * k), canvas.height - Math.round(at[1] * k), 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, out);
        return [...out];
      },
      deck: () => renderer.value?.deck,
      finish: () => renderer.value?.finish() ?? NaN,
      measures: () =>
        performance.getEntriesByType("measure").map(({ name, startTime, duration }) => ({ name, startTime, duration })),
    },
  });
}
