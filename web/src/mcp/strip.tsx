/** A strip over the page: what the assistant is doing, and what the user can tell it. */

import { signal } from "@preact/signals";
import { render } from "preact";
import { status } from "../state/store";
import "./strip.css";

export interface Doing {
  text: string;
  /** 0 to 1; null is something that takes an unknown time. */
  share: number | null;
}
export const doing = signal<Doing | null>(null);
export const sending = signal(false);

function Strip({ send }: { send: () => void }) {
  const now = doing.value;
  return (
    <div class="mcp-strip">
      {now && (
        <div class="mcp-doing" role="status" aria-live="polite">
          <span>{now.text}</span>
          {now.share === null ? <progress aria-label={now.text} /> : <progress aria-label={now.text} max={1} value={now.share} />}
        </div>
      )}
      {status.value === "ready" && (
        <button class="mcp-send" disabled={sending.value} onClick={send} title="Tell the assistant what you see">
          Send to chat
        </button>
      )}
    </div>
  );
}

export function showStrip(send: () => void): void {
  const place = document.createElement("div");
  document.body.append(place);
  render(<Strip send={send} />, place);
}
