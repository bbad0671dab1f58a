/** What the keys do. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { meta } from "../state/store";

export const helpOpen = signal(false);

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "search a gene to colour by"],
  ["P", "choose a gene to perturb"],
  ["S, U", "spatial layout, UMAP"],
  ["V, B, L", "pan, box, lasso"],
  ["Shift, Alt", "while drawing: add to or take from the selection"],
  ["I", "interaction lens"],
  ["C", "two linked views"],
  ["F, +, −", "fit, zoom in, zoom out"],
  ["Arrows, Enter", "on the map: move it, take the cell in the middle"],
  ["[ ]", "smaller, larger cells"],
  ["Y", "copy a link to this view"],
  ["T", "light or dark"],
  ["Esc", "leave a tool, then the cell, then the selection"],
  ["?", "this help"],
];

export function HelpDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = helpOpen.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={() => (helpOpen.value = false)}>
      <h2 id="help-title">Keyboard</h2>
      <dl class="keys">
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        The address bar always holds a link to what you see. Cells without a value are drawn in plain gray.
        {meta.value && ` Server ${meta.value.version}.`}
      </p>
      <form method="dialog">
        <button class="primary">Close</button>
      </form>
    </dialog>
  );
}
