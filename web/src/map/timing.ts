/** How long pictures take, as performance measures that a benchmark can read. */

import type { Pane, Shaded } from "../state/panes";

/** Calls back when the GPU has done what it was given so far; on a machine without one this is the drawing itself. */
function whenDrawn(gl: WebGL2RenderingContext | null, done: () => void): void {
  const fence = gl?.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  if (!gl || !fence) return;
  gl.flush();
  const look = () => {
    if (gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.UNSIGNALED && !gl.isContextLost()) setTimeout(look, 4);
    else {
      gl.deleteSync(fence);
      done();
    }
  };
  setTimeout(look, 0);
}

/** Measures the first picture, and the time from asking for a colour to the frame that shows it: up to handing it to
 * the GPU (`first-picture`, `recolour`) and up to the finished drawing (`…-drawn`). */
export function measureFrames(
  gl: WebGL2RenderingContext | null,
  drawn: WeakSet<Shaded>,
  painted: ReadonlyMap<Pane, Shaded>,
): void {
  for (const [pane, shaded] of painted) {
    if (drawn.has(shaded)) continue;
    drawn.add(shaded);
    const first = performance.getEntriesByName("first-picture").length === 0;
    const start = performance.getEntriesByName(`recolour-start-${pane.key}`).at(-1)?.startTime ?? 0;
    const ready = performance.getEntriesByName(`recolour-ready-${pane.key}`).at(-1)?.startTime ?? 0;
    if (first) performance.measure("first-picture", { start: 0 });
    performance.measure("recolour", { start });
    performance.measure("recolour-upload", { start: ready });
    whenDrawn(gl, () => {
      if (first) performance.measure("first-picture-drawn", { start: 0 });
      performance.measure("recolour-drawn", { start });
    });
  }
}
