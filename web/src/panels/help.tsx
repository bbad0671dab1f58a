/** What the keys do. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { meta } from "../state/store";
import { Check } from "../ui/parts";

export const helpOpen = signal(false);

const STORED = "stl.keys";
/** Whether single keys are commands everywhere, or only while the map has the focus. */
export const everywhere = signal(
  (() => {
    try {
      return localStorage.getItem(STORED) !== "map";
    } catch {
      return true;
    }
  })(),
);

function setEverywhere(on: boolean): void {
  everywhere.value = on;
  try {
    localStorage.setItem(STORED, on ? "everywhere" : "map");
  } catch {
    // refused storage: the choice lasts as long as the page
  }
}

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
  ["Ctrl Z", "back to the view before, as the browser's Back; with Shift forward"],
  ["Y", "copy a link to this view"],
  ["T", "light or dark"],
  ["Esc", "give up an outline, then leave the tool, the cell, the selection"],
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
    <dialog ref={dialog} aria-labelledby="help-title" onClose={() => (helpOpen.value = false)} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
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
      <Check
        label="Single keys work everywhere"
        hint="Without this they work only while the map has the focus, which is better for those who speak to the computer"
        checked={everywhere.value}
        onChange={setEverywhere}
      />
      <p class="hint">
        The address bar always holds a link to what you see. Cells without a value are drawn in plain grey.
        {meta.value && ` Server ${meta.value.version}.`}
      </p>
      <form method="dialog">
        <button class="primary">Close</button>
      </form>
    </dialog>
  );
}
