import type { ReadonlySignal } from "@preact/signals";
import { computed } from "@preact/signals";

/** A computed value that stays the same object while `same` says so: what depends on it is not made again. */
export function steady<T>(make: () => T, same: (a: T, b: T) => boolean): ReadonlySignal<T> {
  let last: { value: T } | null = null;
  return computed(() => {
    const value = make();
    if (!last || !same(last.value, value)) last = { value };
    return last.value;
  });
}
