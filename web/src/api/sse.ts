/** Server-sent events over fetch: unlike EventSource it can carry the session header and be aborted. */

export interface ServerEvent {
  event: string;
  data: string;
}

/** Splits a growing text into complete events; `rest` is what has not ended yet. */
export function splitEvents(text: string): { events: ServerEvent[]; rest: string } {
  // a line end may be cut in two
  const held = text.endsWith("\r") ? "\r" : "";
  const whole = held ? text.slice(0, -1) : text;
  const blocks = whole.replace(/\r\n?/g, "\n").split("\n\n");
  const rest = (blocks.pop() ?? "") + held;
  const events: ServerEvent[] = [];
  for (const block of blocks) {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    if (data.length) events.push({ event, data: data.join("\n") });
  }
  return { events, rest };
}

export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { events, rest } = splitEvents(pending + decoder.decode(value, { stream: true }));
    pending = rest;
    events.forEach(onEvent);
  }
}
