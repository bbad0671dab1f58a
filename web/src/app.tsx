/** The frame of the page: bar, panels left and right, stage, status. */

import { signal } from "@preact/signals";
import { savePng, saveSvg } from "./export/picture";
import { Stage } from "./map/stage";
import { ColourPanel } from "./panels/colour";
import { DatasetPanel, OpenForm } from "./panels/dataset";
import { DisplayPanel } from "./panels/display";
import { FieldPanel } from "./panels/field";
import { HelpDialog, helpOpen } from "./panels/help";
import { InteractionsPanel } from "./panels/interactions";
import { CellPanel, LensPanel } from "./panels/lens";
import { PerturbPanel } from "./panels/perturb";
import { ComparePanel, ResultPanel } from "./panels/result";
import { SelectionPanel } from "./panels/selection";
import { TypesPanel } from "./panels/types";
import { running } from "./state/jobs";
import { activePane, panes } from "./state/panes";
import { drawnCount, sample, selectedCount } from "./state/select";
import {
  failure,
  hovered,
  layout,
  loadLayout,
  meta,
  notice,
  offline,
  report,
  setTheme,
  spoken,
  split,
  status,
  tell,
  theme,
} from "./state/store";
import { IconButton } from "./ui/parts";
import { count, percent } from "./util/format";

/** Whether both sides fit beside the map; it grows with the reader's letters, as in the style sheet. */
const wide = matchMedia("(min-width: 68.75em)");

const leftOpen = signal(true);
const rightOpen = signal(wide.matches);

/** Opens or closes a side; in a narrow window only one of them, so that the map stays visible. */
export function openSide(side: "left" | "right", on = true): void {
  const [own, other] = side === "left" ? [leftOpen, rightOpen] : [rightOpen, leftOpen];
  own.value = on;
  if (on && !wide.matches) other.value = false;
}

export function chooseLayout(name: string): void {
  loadLayout(name).then(() => (layout.value = name), report);
}

export function toggleSplit(): void {
  split.value = !split.value;
  if (split.value && !panes.b.spec.value) panes.b.spec.value = panes.a.spec.value;
  activePane.value = split.value ? "b" : "a";
}

export async function copyLink(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    tell("The link to this view is copied.");
  } catch {
    tell("The address bar holds the link to this view.");
  }
}

function Layouts() {
  const names = meta.value?.embeddings.map((e) => e.name) ?? [];
  if (names.length < 2) return null;
  return (
    <div class="segments" role="group" aria-label="Layout">
      {names.slice(0, 4).map((name) => (
        <button key={name} aria-pressed={name === layout.value} onClick={() => chooseLayout(name)}>
          {name === "umap" ? "UMAP" : name.charAt(0).toUpperCase() + name.slice(1)}
        </button>
      ))}
    </div>
  );
}

/** Which piece of tissue is shown, where the run has several. */
function Samples() {
  const labels = meta.value?.samples ?? [];
  if (labels.length < 2) return null;
  return (
    <select
      class="samples"
      aria-label="Sample"
      value={sample.value ?? ""}
      onChange={(event) => (sample.value = (event.currentTarget as HTMLSelectElement).value || null)}
    >
      <option value="">All samples</option>
      {labels.map((label) => (
        <option key={label} value={label}>
          {label}
        </option>
      ))}
    </select>
  );
}

function SaveMenu() {
  const act = (work: () => void | Promise<void>) => (event: Event) => {
    (event.currentTarget as HTMLElement).closest("details")?.removeAttribute("open");
    Promise.resolve().then(work).catch(report);
  };
  return (
    <details
      class="menu"
      onKeyDown={(event) => {
        const menu = event.currentTarget as HTMLDetailsElement;
        if (event.key !== "Escape" || !menu.open) return;
        event.stopPropagation();
        menu.open = false;
        menu.querySelector("summary")?.focus();
      }}
      onFocusOut={(event) => {
        const menu = event.currentTarget as HTMLDetailsElement;
        if (!menu.contains(event.relatedTarget as Node | null)) menu.open = false;
      }}
    >
      <summary class="icon-button" aria-label="Save the picture" title="Save the picture">
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M8 2.5v7.5M5 7.3 8 10.300l3-3M3 13.500h10" />
        </svg>
      </summary>
      <div class="menu-list">
        <button onClick={act(savePng)}>Picture (PNG)</button>
        <button onClick={act(saveSvg)}>Drawing (SVG)</button>
      </div>
    </details>
  );
}

function TopBar() {
  const facts = meta.value;
  const dark = theme.value === "dark";
  const ready = status.value === "ready";
  return (
    <header class="topbar">
      {ready && (
        <IconButton icon="left" label="Panels on the left" pressed={leftOpen.value} onClick={() => openSide("left", !leftOpen.value)} />
      )}
      <h1>
        <b>SpaceTravLR</b>
        {facts && <span title={facts.title}>{facts.title}</span>}
      </h1>
      {ready && <Layouts />}
      {ready && <Samples />}
      <div class="spring" />
      {ready && (
        <>
          <IconButton icon="split" label="Two linked views" shortcut="C" pressed={split.value} onClick={toggleSplit} />
          <IconButton icon="link" label="Copy a link to this view" onClick={() => void copyLink()} />
          <SaveMenu />
        </>
      )}
      <IconButton
        icon={dark ? "sun" : "moon"}
        label={dark ? "Light colours" : "Dark colours"}
        shortcut="T"
        onClick={() => setTheme(dark ? "light" : "dark")}
      />
      <IconButton icon="help" label="Keyboard and help" shortcut="?" onClick={() => (helpOpen.value = true)} />
      {ready && (
        <IconButton icon="right" label="Panels on the right" pressed={rightOpen.value} onClick={() => openSide("right", !rightOpen.value)} />
      )}
    </header>
  );
}

function StatusBar() {
  const facts = meta.value;
  const jobs = running.value;
  return (
    <footer class="statusbar">
      <span>
        {facts && drawnCount.value < facts.n_obs && `${count(drawnCount.value)} of `}
        {facts && `${count(facts.n_obs)} cells · ${count(facts.n_vars)} genes`}
      </span>
      {selectedCount.value > 0 && <span>{count(selectedCount.value)} selected</span>}
      {facts?.columns_ready === false && <span>Preparing fast gene columns {percent(facts.columns_progress ?? 0)}</span>}
      <span class="spring" />
      <span class="live">
        {jobs[0] && `${jobs[0].title}: ${jobs[0].step || jobs[0].state} ${percent(jobs[0].progress)}`}
      </span>
      <span class="heard" role="status">
        {spoken.value}
      </span>
      <span class="where">{hovered.value >= 0 && `cell ${hovered.value}`}</span>
    </footer>
  );
}

function Toast() {
  const now = notice.value;
  return (
    <div class="toasts" role="status">
      {now && (
        <div class={`toast ${now.kind}`} {...(now.kind === "error" ? { role: "alert" } : {})}>
          <span>{now.text}</span>
          <IconButton icon="close" label="Dismiss" onClick={() => (notice.value = null)} />
        </div>
      )}
    </div>
  );
}

function Offline() {
  if (!offline.value || status.value !== "ready") return null;
  return (
    <div class="offline" role="alert">
      <b>The server does not answer.</b> Nothing new can be loaded until it runs again; this page keeps trying.
    </div>
  );
}

function Welcome() {
  const state = status.value;
  if (state === "ready") return null;
  return (
    <div class="welcome">
      {state === "loading" && (
        <p role="status">
          <i class="spinner" /> Opening the data…
        </p>
      )}
      {state === "empty" && (
        <div class="card">
          <h2>Nothing is open</h2>
          <p>Choose a sample or a run from the folders that the server was given.</p>
          <OpenForm />
        </div>
      )}
      {state === "failed" && (
        <div class="card" role="alert">
          <h2>The viewer could not start</h2>
          <p>{failure.value}</p>
          <button class="primary" onClick={() => location.reload()}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}

export function App() {
  const ready = status.value === "ready";
  const classes = ["app", ready && leftOpen.value ? "with-left" : "", ready && rightOpen.value ? "with-right" : ""];
  return (
    <div class={classes.join(" ")} data-status={status.value}>
      <TopBar />
      {ready && leftOpen.value && (
        <aside class="side left" aria-label="Colours and groups">
          <ColourPanel />
          <TypesPanel />
          <SelectionPanel />
          <DisplayPanel />
          <DatasetPanel />
        </aside>
      )}
      <Offline />
      {meta.value ? <Stage /> : <main class="stage" aria-label="Cells" />}
      <Welcome />
      {ready && rightOpen.value && (
        <aside class="side right" aria-label="Perturbation and interactions">
          <CellPanel />
          <PerturbPanel />
          <ResultPanel />
          <ComparePanel />
          <FieldPanel />
          <LensPanel />
          <InteractionsPanel />
        </aside>
      )}
      <StatusBar />
      <Toast />
      <HelpDialog />
    </div>
  );
}
