/** Small building blocks that several panels share. */

import type { Signal } from "@preact/signals";
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { tell } from "../state/store";
import type { IconName } from "./icons";
import { Icon } from "./icons";

const open = new Map<string, Signal<boolean>>();

function openness(name: string, initially: boolean): Signal<boolean> {
  let state = open.get(name);
  if (!state) {
    let stored: string | null = null;
    try {
      stored = localStorage.getItem(`stl.open.${name}`);
    } catch {
      // refused storage: panels start as designed
    }
    state = signal(stored === null ? initially : stored === "1");
    open.set(name, state);
  }
  return state;
}

/** Opens a panel and brings it into view. */
export function openSection(name: string): void {
  openness(name, true).value = true;
  setTimeout(() => document.querySelector(`[data-section="${name}"]`)?.scrollIntoView({ block: "nearest" }), 50);
}

/** Whether a field is about to take the focus, and what was typed until it has. */
let early: string | null = null;
const ENTER = "\n";

/** Gives a field the focus after it is drawn; keys pressed before that are typed into it. */
export function focusSoon(id: string): void {
  early = "";
  setTimeout(() => {
    const field = document.getElementById(id);
    const typed = early ?? "";
    early = null;
    if (!(field instanceof HTMLInputElement)) return;
    field.focus();
    const text = typed.replaceAll(ENTER, "");
    if (text) {
      field.value = text;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (typed.includes(ENTER)) field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  }, 0);
}

/** Takes a key for the field that is about to have the focus; false if there is none. */
export function takeEarly(key: string): boolean {
  if (early === null || (key.length !== 1 && key !== "Enter")) return false;
  early += key === "Enter" ? ENTER : key;
  return true;
}

interface SectionProps {
  name: string;
  title: string;
  note?: ComponentChildren;
  initially?: boolean;
  children: ComponentChildren;
}

/** A collapsible panel; it remembers whether it was open. */
export function Section({ name, title, note, initially = true, children }: SectionProps) {
  const state = openness(name, initially);
  const id = useId();
  const toggle = () => {
    state.value = !state.value;
    try {
      localStorage.setItem(`stl.open.${name}`, state.value ? "1" : "0");
    } catch {
      // as above
    }
  };
  return (
    <section class="section" data-section={name}>
      <h3>
        <button type="button" class="section-head" aria-expanded={state.value} aria-controls={id} onClick={toggle}>
          <Icon name="chevron" />
          <span>{title}</span>
          {note !== undefined && note !== null && note !== "" && <span class="note">{note}</span>}
        </button>
      </h3>
      <div class="section-body" id={id} hidden={!state.value}>
        {state.value && children}
      </div>
    </section>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  shortcut?: string;
  pressed?: boolean;
  disabled?: boolean;
  onClick: () => void;
}

export function IconButton({ icon, label, shortcut, pressed, disabled, onClick }: IconButtonProps) {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={shortcut ? `${label} (${shortcut})` : label}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      disabled={disabled ?? false}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

interface SegmentsProps<K extends string> {
  label: string;
  options: readonly { key: K; text: string; disabled?: boolean; title?: string }[];
  value: K;
  onChange: (key: K) => void;
}

/** A few exclusive choices side by side. */
export function Segments<K extends string>({ label, options, value, onChange }: SegmentsProps<K>) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map(({ key, text, disabled, title }) => (
        <button
          type="button"
          key={key}
          aria-pressed={key === value}
          disabled={disabled ?? false}
          title={title ?? ""}
          onClick={() => onChange(key)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

export function Field({ label, children, hint }: { label: string; children: ComponentChildren; hint?: string }) {
  return (
    <label class="field" title={hint ?? ""}>
      <span>{label}</span>
      {children}
    </label>
  );
}

interface NumberProps {
  label: string;
  value: number;
  min?: number;
  max?: number;
  step?: number | "any";
  hint?: string;
  onChange: (value: number) => void;
}

function limits(min?: number, max?: number): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  return min !== undefined ? ` of at least ${min}` : max !== undefined ? ` of at most ${max}` : "";
}

/** A number that is taken over when it is complete and within its limits; otherwise the last one comes back, and why. */
export function NumberField({ label, value, min, max, step = "any", hint, onChange }: NumberProps) {
  return (
    <Field label={label} {...(hint ? { hint } : {})}>
      <input
        type="number"
        value={Number(value.toPrecision(6))}
        min={min}
        max={max}
        step={step}
        onChange={(event) => {
          const input = event.currentTarget as HTMLInputElement;
          const next = input.valueAsNumber;
          if (Number.isFinite(next) && (min === undefined || next >= min) && (max === undefined || next <= max)) {
            onChange(next);
          } else {
            input.value = String(value);
            tell(`${label} takes a number${limits(min, max)}; it stays at ${value}.`);
          }
        }}
      />
    </Field>
  );
}

export function Check(props: { label: string; checked: boolean; hint?: string; onChange: (on: boolean) => void }) {
  const { label, checked, hint, onChange } = props;
  return (
    <label class="check" title={hint ?? ""}>
      <input type="checkbox" checked={checked} onChange={(e) => onChange((e.currentTarget as HTMLInputElement).checked)} />
      <span>{label}</span>
    </label>
  );
}

interface SelectProps {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

export function SelectField({ label, value, options, onChange }: SelectProps) {
  return (
    <Field label={label}>
      <select value={value} onChange={(e) => onChange((e.currentTarget as HTMLSelectElement).value)}>
        {options.map(([key, text]) => (
          <option key={key} value={key} selected={key === value}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A bar around zero (or from zero) for a table cell; `share` is in -1..1. */
export function Bar({ share, both = false }: { share: number; both?: boolean }) {
  const size = Math.min(Math.abs(share), 1) * (both ? 50 : 100);
  const style = both
    ? { left: share < 0 ? `${50 - size}%` : "50%", width: `${size}%` }
    : { left: "0", width: `${size}%` };
  return (
    <i class={both ? "bar both" : "bar"} aria-hidden="true">
      <b class={share < 0 ? "down" : "up"} style={style} />
    </i>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
