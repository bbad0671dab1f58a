/** A combobox over the server's gene list: type a few letters, arrows and Enter choose. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { GeneHit, GeneKind } from "../api/types";
import { client, report } from "../state/store";
import { count, plural } from "../util/format";

interface Props {
  label: string;
  value: string;
  placeholder?: string;
  /** Only genes with a fitted model, or ligands that some model listens to; otherwise all that are measured. */
  among?: GeneKind;
  id?: string;
  onChoose: (gene: string) => void;
  /** After a choice with the keyboard; without it the box keeps the focus. */
  onDone?: () => void;
}

const WAIT_MS = 120;
const SHOWN = 40;

/** The hit that Enter takes: the one chosen with the arrows, else the one of just this name, else the first. */
function enterChoice(hits: readonly GeneHit[], text: string, at: number): GeneHit | undefined {
  const low = text.trim().toLowerCase();
  return at > 0 ? hits[at] : (hits.find((gene) => gene.name.toLowerCase() === low) ?? hits[0]);
}

export function GeneSearch({ label, value, placeholder, among = "all", id, onChoose, onDone }: Props) {
  const [text, setText] = useState(value);
  const [found, setFound] = useState<GeneHit[]>([]);
  const [total, setTotal] = useState(0);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const list = useId();
  const options = useRef<HTMLUListElement>(null);
  const latest = useRef<AbortController | null>(null);
  /** What `found` answers; null while that is not what stands in the box. */
  const answered = useRef<string | null>(null);
  const timer = useRef(0);

  // not when the box appears: somebody may already have typed into it
  const shown = useRef(value);
  useEffect(() => {
    if (shown.current !== value) setText(value);
    shown.current = value;
  }, [value]);
  useEffect(
    () => () => {
      latest.current?.abort();
      clearTimeout(timer.current);
    },
    [],
  );

  const stopSearch = () => {
    clearTimeout(timer.current);
    latest.current?.abort();
  };

  const search = (next: string, wait = WAIT_MS, then?: (hits: readonly GeneHit[]) => void) => {
    stopSearch();
    answered.current = null;
    timer.current = window.setTimeout(() => {
      const stop = new AbortController();
      latest.current = stop;
      client.genes({ contains: next.trim(), limit: SHOWN, among }, stop.signal).then((answer) => {
        if (stop.signal.aborted) return;
        answered.current = next;
        setFound(answer.genes);
        setTotal(answer.total);
        setAt(0);
        setOpen(true);
        then?.(answer.genes);
      }, report);
    }, wait);
  };

  // arrows may lead out of the part of the list that is seen
  useEffect(() => {
    if (open) options.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at, open]);

  const choose = (gene: string) => {
    stopSearch();
    setText(gene);
    setOpen(false);
    onChoose(gene);
  };

  const take = (hits: readonly GeneHit[], typed: string, place: number) => {
    const chosen = enterChoice(hits, typed, place);
    if (!chosen) return;
    choose(chosen.name);
    onDone?.();
  };

  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return search(text, 0);
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt(Math.min(Math.max(at + step, 0), found.length - 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const typed = (event.currentTarget as HTMLInputElement).value;
      if (!typed.trim() && at === 0) return;
      // who types fast presses Enter before the answer is here: the list still shown is of other letters
      if (open && answered.current === typed) take(found, typed, at);
      else search(typed, 0, (hits) => take(hits, typed, 0));
    } else if (event.key === "Escape") {
      event.stopPropagation();
      setOpen(false);
      setText(value);
      if (!open) (event.currentTarget as HTMLInputElement).blur();
    }
  };

  return (
    <div class="combo">
      <input
        type="text"
        role="combobox"
        {...(id ? { id } : {})}
        aria-label={label}
        aria-expanded={open}
        aria-controls={list}
        aria-autocomplete="list"
        {...(open && found.length ? { "aria-activedescendant": `${list}-${at}` } : {})}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder ?? "Search genes"}
        value={text}
        onFocus={(event) => {
          (event.currentTarget as HTMLInputElement).select();
          search("", 0);
        }}
        onInput={(event) => {
          const next = (event.currentTarget as HTMLInputElement).value;
          setText(next);
          search(next);
        }}
        onKeyDown={onKey}
        onBlur={() => {
          stopSearch();
          setOpen(false);
          setText(value);
        }}
      />
      <div class="options" hidden={!open}>
        <ul id={list} ref={options} role="listbox" aria-label={`${label}: matches`}>
          {found.map((gene, i) => (
            <li
              key={gene.name}
              id={`${list}-${i}`}
              role="option"
              aria-selected={i === at}
              onPointerDown={(event) => {
                event.preventDefault();
                choose(gene.name);
              }}
            >
              <span>{gene.name}</span>
              {gene.has_model && among === "all" && <em title="has a fitted model">model</em>}
            </li>
          ))}
        </ul>
        {found.length === 0 && <p class="none">No gene matches</p>}
        {total > found.length && <p class="none">{count(total - found.length)} more: type on</p>}
      </div>
      <span class="heard" role="status">
        {open && (text || found.length === 0) && (found.length ? plural(total, "gene") : "No gene matches")}
      </span>
    </div>
  );
}
