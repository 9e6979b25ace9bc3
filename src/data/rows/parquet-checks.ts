import type { RowGroup } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";

/*
 * The Parquet library makes room for as many values as a file claims before it looks at them. These claims are checked
 * here, against the bytes that are there.
 */

/** Values that a page may have whatever its size: writers make pages of up to a group's rows where all are alike. */
const pageValues = 2 ** 20;

/** Types of Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). */
const thrift = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  struct: 12,
};

/** Structures in structures; those of Parquet have five. */
const deepest = 32;

/**
 * Passes over a structure of Thrift's.
 *
 * @returns where it ends.
 * @throws Error when it does not, or a list in it claims more items than there are bytes.
 */
export function skipStruct(view: DataView, start: number, depth = 0): number {
  if (depth > deepest) throw new Error("its metadata are nested too deeply");
  let at = start;
  for (;;) {
    const head = view.getUint8(at++);
    if ((head & 15) === 0) return at;
    if (head >> 4 === 0) at = skipNumber(view, at);
    at = skipValue(view, at, head & 15, depth);
  }
}

function skipValue(view: DataView, at: number, type: number, depth: number): number {
  switch (type) {
    case thrift.true:
    case thrift.false:
      return at;
    case thrift.byte:
      return at + 1;
    case thrift.i16:
    case thrift.i32:
    case thrift.i64:
      return skipNumber(view, at);
    case thrift.double:
      return at + 8;
    case thrift.binary:
      return skipNumber(view, at) + claimed(view, at, "bytes");
    case thrift.list: {
      const head = view.getUint8(at);
      const isLong = head >> 4 === 15;
      const count = isLong ? claimed(view, at + 1, "items") : head >> 4;
      let next = isLong ? skipNumber(view, at + 1) : at + 1;
      const isFlag = (head & 15) <= thrift.false;
      for (let i = 0; i < count; i++)
        next = skipValue(view, next, isFlag ? thrift.byte : head & 15, depth + 1);
      return next;
    }
    case thrift.struct:
      return skipStruct(view, at, depth + 1);
    default:
      throw new Error(`its metadata have a value of the type ${type}`);
  }
}

/** The end of a number of seven bits a byte, of ten bytes at most. */
function skipNumber(view: DataView, start: number): number {
  for (let at = start; at < start + 10; at++) if (view.getUint8(at) < 0x80) return at + 1;
  throw new Error("its metadata have a number without an end");
}

/** A count; each of what it counts takes a byte at least. */
function claimed(view: DataView, start: number, unit: string): number {
  let count = 0;
  for (let at = start, scale = 1; ; at++, scale *= 128) {
    const byte = view.getUint8(at);
    count += (byte & 0x7f) * scale;
    if (count > view.byteLength - at)
      throw new Error(`its metadata claim ${count} ${unit}, more than there are`);
    if (byte < 0x80) return count;
  }
}

/** Checks the metadata at the end of a file, if `bytes` hold them. @param bytes the file's last. */
export function checkFooter(bytes: ArrayBuffer): void {
  const end = bytes.byteLength - 8;
  const view = new DataView(bytes);
  if (end < 0) return;
  const length = view.getUint32(end, true);
  if (length > end) return;
  const metadata = new DataView(bytes, end - length, length);
  skipStruct(metadata, 0);
  const { field_2: schema } = deserializeTCompactProtocol({ view: metadata, offset: 0 });
  checkTree(Array.isArray(schema) ? schema : []);
}

/** A schema is a tree, its elements in their order, each with the number of its children: all have to be there. */
function checkTree(elements: readonly { readonly field_5?: unknown }[]): void {
  let missing = 1;
  for (const { field_5: children = 0 } of elements) {
    if (!(Number.isInteger(children) && Number(children) >= 0))
      throw new Error(`its schema has ${children} columns`);
    missing += Number(children) - 1;
  }
  if (missing !== 0) throw new Error("its schema is no tree");
}

/**
 * Checks the pages of a group's columns, as far as `bytes` hold them.
 *
 * @param start where the bytes lie in the file.
 */
export function checkPages(bytes: ArrayBuffer, start: number, group: RowGroup): void {
  for (const { meta_data: column } of group.columns) {
    if (!column) continue;
    const first = Number(column.dictionary_page_offset || column.data_page_offset) - start;
    const end = Math.min(bytes.byteLength, first + Number(column.total_compressed_size));
    if (!(first >= 0)) continue;
    const view = new DataView(bytes);
    for (let at = first; at < end - 1; ) {
      const reader = { view, offset: at };
      skipStruct(view, at);
      const header = parquetHeader(reader);
      const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
      const most = pageValues + header.uncompressed_page_size;
      for (const { num_values: values } of [v1, v2, dictionary].filter((page) => page !== undefined)) {
        if (!(values >= 0 && values <= most)) {
          throw new Error(`a page claims ${values} values, at most ${most} are allowed`);
        }
      }
      if (!(header.compressed_page_size >= 0)) throw new Error("a page has no size");
      at = reader.offset + header.compressed_page_size;
    }
  }
}
