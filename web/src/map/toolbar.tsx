/** Tools of the stage: pan, box, lasso, fit, zoom. */

import { openSide } from "../app";
import { IconButton } from "../ui/parts";
import { lensOn } from "../state/lens";
import { meta, tool } from "../state/store";
import { openSection } from "../ui/parts";
import { renderer } from "./stage";

export function toggleLens(): void {
  lensOn.value = !lensOn.value;
  if (!lensOn.value) return;
  openSide("right");
  openSection("lens");
}

export function Toolbar() {
  return (
    <div class="toolbar" role="group" aria-label="Tools of the map">
      <IconButton icon="pan" label="Pan" shortcut="V" pressed={tool.value === "pan"} onClick={() => (tool.value = "pan")} />
      <IconButton
        icon="box"
        label="Select with a box"
        shortcut="B"
        pressed={tool.value === "box"}
        onClick={() => (tool.value = "box")}
      />
      <IconButton
        icon="lasso"
        label="Select with a lasso"
        shortcut="L"
        pressed={tool.value === "lasso"}
        onClick={() => (tool.value = "lasso")}
      />
      {meta.value?.network.loaded && (
        <IconButton icon="lens" label="Interaction lens" shortcut="I" pressed={lensOn.value} onClick={toggleLens} />
      )}
      <hr />
      <IconButton icon="plus" label="Zoom in" shortcut="+" onClick={() => renderer.value?.zoomBy(0.5)} />
      <IconButton icon="minus" label="Zoom out" shortcut="−" onClick={() => renderer.value?.zoomBy(-0.5)} />
      <IconButton icon="fit" label="Fit to view" shortcut="F" onClick={() => renderer.value?.fit()} />
    </div>
  );
}
