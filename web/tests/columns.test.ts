import { describe, expect, it } from "vitest";
import { ColumnError, decodeColumn, decodeColumns, halfToFloat, valueOf } from "../src/api/columns";

interface Block {
  dtype: number;
  bytes: Uint8Array;
  n: number;
  ncomp?: number;
  flags?: number;
  lo?: number;
  hi?: number;
  unmatched?: number;
}

function block({ dtype, bytes, n, ncomp = 1, flags = 0, lo = 0, hi = 0, unmatched = 0 }: Block): Uint8Array {
  const size = 32 + bytes.length;
  const out = new Uint8Array(Math.ceil(size / 8) * 8);
  const view = new DataView(out.buffer);
  out.set([0x53, 0x54, 0x4c, 0x43]);
  view.setUint16(4, 1, true);
  view.setUint8(6, dtype);
  view.setUint8(7, flags);
  view.setBigUint64(8, BigInt(n), true);
  view.setUint32(16, ncomp, true);
  view.setFloat32(20, lo, true);
  view.setFloat32(24, hi, true);
  view.setUint32(28, unmatched, true);
  out.set(bytes, 32);
  return out;
}

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe("decodeColumn", () => {
  it("reads positions", () => {
    const column = decodeColumn(block({ dtype: 0, bytes: f32(1, 2, 3, NaN), n: 2, ncomp: 2 }).buffer as ArrayBuffer);
    expect(column).toMatchObject({ dtype: "f32", n: 2, ncomp: 2, categorical: false });
    expect([...column.values]).toEqual([1, 2, 3, NaN]);
  });

  it("turns quantised bytes back into values", () => {
    const bytes = Uint8Array.from([0, 127, 254, 255]);
    const column = decodeColumn(block({ dtype: 2, bytes, n: 4, lo: -1, hi: 1, unmatched: 1 }).buffer as ArrayBuffer);
    expect(column.unmatched).toBe(1);
    expect([0, 1, 2, 3].map((i) => valueOf(column, i))).toEqual([-1, 0, 1, NaN]);
    expect(valueOf(column, 4)).toBeNaN();
  });

  it("keeps codes of categories as they are", () => {
    const codes = new Uint8Array(Uint16Array.from([0, 300, 65535]).buffer);
    const column = decodeColumn(block({ dtype: 3, bytes: codes, n: 3, flags: 1 }).buffer as ArrayBuffer);
    expect(column.categorical).toBe(true);
    expect(valueOf(column, 1)).toBe(300);
  });

  it("reads several blocks, each on a border of 8 bytes", () => {
    const parts = [block({ dtype: 2, bytes: Uint8Array.from([7, 8, 9]), n: 3 }), block({ dtype: 0, bytes: f32(5), n: 1 })];
    const joined = new Uint8Array(parts[0]!.length + parts[1]!.length);
    joined.set(parts[0]!);
    joined.set(parts[1]!, parts[0]!.length);
    const columns = decodeColumns(joined.buffer);
    expect(columns.map((c) => [...c.values])).toEqual([[7, 8, 9], [5]]);
  });

  it("decodes half precision", () => {
    const bits = new Uint8Array(Uint16Array.from([0x3c00, 0xc000, 0x7e00]).buffer);
    const column = decodeColumn(block({ dtype: 1, bytes: bits, n: 3 }).buffer as ArrayBuffer);
    expect([...column.values]).toEqual([1, -2, NaN]);
    expect(halfToFloat(0x0001)).toBe(2 ** -24);
    expect(halfToFloat(0x7bff)).toBe(65504);
    expect(halfToFloat(0xfc00)).toBe(-Infinity);
  });

  it("refuses what is not a column", () => {
    const good = block({ dtype: 0, bytes: f32(1, 2), n: 2 });
    const changed = (at: number, value: number) => {
      const copy = good.slice();
      copy[at] = value;
      return copy.buffer as ArrayBuffer;
    };
    expect(() => decodeColumn(new ArrayBuffer(8))).toThrow(ColumnError);
    expect(() => decodeColumn(changed(0, 0))).toThrow(/magic/);
    expect(() => decodeColumn(changed(4, 9))).toThrow(/version 9/);
    expect(() => decodeColumn(changed(6, 77))).toThrow(/type 77/);
    expect(() => decodeColumn(changed(8, 200))).toThrow(/shorter/);
  });
});
