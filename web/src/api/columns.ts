/** Decoder of the binary column blocks of /api/v2/columns (one or several blocks, each padded to 8 bytes). */

export type Dtype = "f32" | "f16" | "u8" | "u16" | "u32";
export type Values = Float32Array | Uint8Array | Uint16Array | Uint32Array;

export interface Column {
  dtype: Dtype;
  categorical: boolean;
  n: number;
  ncomp: number;
  lo: number;
  hi: number;
  unmatched: number;
  values: Values;
}

export class ColumnError extends Error {}

const HEADER = 32;
const DTYPES: readonly Dtype[] = ["f32", "f16", "u8", "u16", "u32"];
const WIDTH: Record<Dtype, number> = { f32: 4, f16: 2, u8: 1, u16: 2, u32: 4 };

/** IEEE half precision to float32, by bits. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halfTable: Float32Array | null = null;
function halves(source: Uint16Array): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToFloat(bits));
  const out = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) out[i] = halfTable[source[i]!]!;
  return out;
}

function valuesAt(buffer: ArrayBuffer, offset: number, count: number, dtype: Dtype): Values {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, offset, count);
    case "f16":
      return halves(new Uint16Array(buffer, offset, count));
    case "u8":
      return new Uint8Array(buffer, offset, count);
    case "u16":
      return new Uint16Array(buffer, offset, count);
    case "u32":
      return new Uint32Array(buffer, offset, count);
  }
}

function decodeBlock(buffer: ArrayBuffer, offset: number): { column: Column; end: number } {
  if (buffer.byteLength < offset + HEADER) throw new ColumnError("The column ends inside its header.");
  const view = new DataView(buffer, offset, HEADER);
  if (view.getUint32(0, false) !== 0x53544c43) throw new ColumnError("The answer is not a column (wrong magic).");
  const version = view.getUint16(4, true);
  if (version !== 1) throw new ColumnError(`Column version ${version} is not known; reload the page.`);
  const dtype = DTYPES[view.getUint8(6)];
  if (!dtype) throw new ColumnError(`Column type ${view.getUint8(6)} is not known; reload the page.`);
  const n = Number(view.getBigUint64(8, true));
  const ncomp = view.getUint32(16, true);
  const bytes = n * ncomp * WIDTH[dtype];
  const end = offset + HEADER + bytes;
  if (buffer.byteLength < end) {
    throw new ColumnError(`The column announces ${n} × ${ncomp} values but the answer is shorter.`);
  }
  return {
    column: {
      dtype,
      categorical: (view.getUint8(7) & 1) === 1,
      n,
      ncomp,
      lo: view.getFloat32(20, true),
      hi: view.getFloat32(24, true),
      unmatched: view.getUint32(28, true),
      values: valuesAt(buffer, offset + HEADER, n * ncomp, dtype),
    },
    end,
  };
}

/** Every block of an answer. */
export function decodeColumns(buffer: ArrayBuffer): Column[] {
  const columns: Column[] = [];
  let offset = 0;
  do {
    const { column, end } = decodeBlock(buffer, offset);
    columns.push(column);
    offset = Math.ceil(end / 8) * 8;
  } while (offset < buffer.byteLength);
  return columns;
}

/** The only block of an answer. */
export function decodeColumn(buffer: ArrayBuffer): Column {
  const first = decodeColumns(buffer)[0];
  if (!first) throw new ColumnError("The answer holds no column.");
  return first;
}

/** Value of one cell in the column's own unit; NaN when missing. */
export function valueOf(column: Column, index: number): number {
  const raw = column.values[index];
  if (raw === undefined) return NaN;
  if (column.dtype !== "u8" || column.categorical) return raw;
  return raw === 255 ? NaN : column.lo + (raw / 254) * (column.hi - column.lo);
}
