import { afterEach, beforeEach, expect, it, vi } from "vitest";

vi.mock("../src/state/store", async () => {
  const { signal } = await import("@preact/signals");
  const client = { lost: () => undefined, session: "s", url: (path: string) => path, transport: vi.fn() };
  return { client, notice: signal(null), offline: signal(false) };
});
const { client, offline } = await import("../src/state/store");
const { reached, startConnection } = await import("../src/state/connection");

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("tells that the server is back, whoever missed it first", async () => {
  const back = vi.fn();
  startConnection(back);
  let there = false;
  client.transport = async () => {
    if (!there) throw new TypeError("nobody is there");
    return new Response();
  };
  // a stream that broke off asks before any request does
  const waiting = reached();
  await vi.advanceTimersByTimeAsync(500);
  client.lost();
  expect(offline.value).toBe(true);
  expect(back).not.toHaveBeenCalled();
  there = true;
  await vi.advanceTimersByTimeAsync(5000);
  await waiting;
  expect(offline.value).toBe(false);
  expect(back).toHaveBeenCalledTimes(1);
  await reached();
  expect(back).toHaveBeenCalledTimes(1);
});
