import { computed, signal } from "@preact/signals";
import { expect, test } from "vitest";
import { steady } from "../src/util/steady";

test("what depends on an equal value is not made again", () => {
  const asked = signal(1);
  const range = steady(
    () => ({ lo: 0, hi: Math.floor(asked.value / 10) }),
    (a, b) => a.lo === b.lo && a.hi === b.hi,
  );
  let made = 0;
  const palette = computed(() => ({ hi: range.value.hi, turn: ++made }));
  const first = palette.value;
  asked.value = 7;
  expect(palette.value).toBe(first);
  asked.value = 23;
  expect(palette.value).toEqual({ hi: 2, turn: 2 });
  asked.value = 3;
  expect(palette.value).toEqual({ hi: 0, turn: 3 });
});
