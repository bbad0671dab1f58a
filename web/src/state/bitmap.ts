/** Bits in cell order, least significant first. */
export function bitmap(marks: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(marks.length / 8));
  for (let i = 0; i < marks.length; i++) if (marks[i]) out[i >> 3]! |= 1 << (i & 7);
  return out;
}
