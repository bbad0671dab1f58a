/** Whether the server is there; while it is not, somebody asks every few seconds. */

import { client, notice, offline } from "./store";

const FIRST_MS = 1000;
const LAST_MS = 5000;

let asking: Promise<void> | null = null;
let back: () => void = () => undefined;

/** Resolves when the server answers, at once if it does already. */
export function reached(): Promise<void> {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask(): Promise<void> {
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 1.5, LAST_MS)) {
    if (await answers()) {
      const gone = offline.value;
      offline.value = false;
      // whoever was the first to ask
      if (gone) back();
      return;
    }
    // what a first request without an answer has said
    if (!offline.value && notice.value?.kind === "error") notice.value = null;
    offline.value = true;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Any answer will do, also that something is wrong. */
async function answers(): Promise<boolean> {
  try {
    await client.transport(client.url("/meta"), { credentials: "same-origin", headers: { "X-Session": client.session } });
    return true;
  } catch {
    return false;
  }
}

/** Watches for a server that goes away, and does something when it is back. */
export function startConnection(then: () => void): void {
  back = then;
  client.lost = () => void reached();
}
