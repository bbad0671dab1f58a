/** Single-key commands; they stay silent while somebody types. */

import { chooseLayout, copyLink, openSide, toggleSplit } from "./app";
import { dropOutline, pinMiddle, renderer } from "./map/stage";
import { toggleLens } from "./map/toolbar";
import { focusGeneSearch } from "./panels/colour";
import { everywhere, helpOpen } from "./panels/help";
import { travel } from "./state/address";
import { lensOn } from "./state/lens";
import { clearSelection, selectedCount } from "./state/select";
import { hovered, meta, notice, pin, pinned, pointFactor, setTheme, status, theme, tool } from "./state/store";
import { focusSoon, openSection, takeEarly } from "./ui/parts";

function layoutLike(test: (name: string) => boolean): void {
  const found = meta.value?.embeddings.find((e) => test(e.name));
  if (found) chooseLayout(found.name);
}

function escape(): void {
  hovered.value = -1;
  if (dropOutline()) return;
  if (notice.value) notice.value = null;
  else if (tool.value !== "pan") tool.value = "pan";
  else if (pinned.value >= 0) pin(-1);
  else if (lensOn.value) lensOn.value = false;
  else if (selectedCount.value) clearSelection();
}

function resize(step: number): void {
  pointFactor.value = Math.min(Math.max(pointFactor.value * 2 ** step, 0.25), 5.6);
}

function focusPerturb(): void {
  openSide("right");
  openSection("perturb");
  focusSoon("perturb-gene");
}

const COMMANDS: Record<string, () => void> = {
  "/": () => {
    openSide("left");
    openSection("colour");
    focusGeneSearch();
  },
  p: focusPerturb,
  s: () => layoutLike((name) => name.includes("spatial")),
  u: () => layoutLike((name) => name.includes("umap")),
  v: () => (tool.value = "pan"),
  b: () => (tool.value = "box"),
  l: () => (tool.value = "lasso"),
  i: () => {
    if (meta.value?.network.loaded) toggleLens();
  },
  c: toggleSplit,
  f: () => renderer.value?.fit(),
  "+": () => renderer.value?.zoomBy(0.5),
  "=": () => renderer.value?.zoomBy(0.5),
  "-": () => renderer.value?.zoomBy(-0.5),
  "[": () => resize(-0.25),
  "]": () => resize(0.25),
  t: () => setTheme(theme.value === "dark" ? "light" : "dark"),
  y: () => void copyLink(),
  "?": () => (helpOpen.value = true),
  Escape: escape,
};

const STRIDE = 60;
/** Keys of the map itself, when it has the focus. */
const MAP_COMMANDS: Record<string, () => void> = {
  ArrowLeft: () => renderer.value?.moveBy(-STRIDE, 0),
  ArrowRight: () => renderer.value?.moveBy(STRIDE, 0),
  ArrowUp: () => renderer.value?.moveBy(0, -STRIDE),
  ArrowDown: () => renderer.value?.moveBy(0, STRIDE),
  Enter: pinMiddle,
};

function onMap(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("main.stage, main.stage canvas");
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" && target.type !== "range";
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}

export function startKeys(): void {
  addEventListener("keydown", (event) => {
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      travel(event.shiftKey ? 1 : -1);
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (takeEarly(event.key)) {
      event.preventDefault();
      return;
    }
    if (status.value !== "ready" && !["t", "?"].includes(event.key)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key.length === 1 && !everywhere.value && !onMap(event.target)) return;
    const command = COMMANDS[key] ?? (onMap(event.target) ? MAP_COMMANDS[key] : undefined);
    if (!command) return;
    event.preventDefault();
    command();
  });
}
