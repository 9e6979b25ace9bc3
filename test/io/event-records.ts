import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { expect } from "vitest";
import { crc32c } from "../../src/io/crc32c.js";

/** An event of TensorBoard, as it is read back. */
export interface ReadEvent {
  readonly step: number;
  readonly version?: string;
  readonly scalars: Readonly<Record<string, number>>;
  /** Whether it says that a run went on. */
  readonly started: boolean;
}

/** The events of the files in a folder, in the order of their names; the framing and checksums are checked. */
export async function readEvents(folder: string): Promise<ReadEvent[]> {
  const files = (await readdir(folder)).sort();
  const events: ReadEvent[] = [];
  for (const file of files) {
    expect(file).toMatch(/^events\.out\.tfevents\.\d+\.\d{3}\./);
    events.push(...records(await readFile(join(folder, file))).map(eventOf));
  }
  return events;
}

function records(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expect(unmasked(view.getUint32(at + 8, true))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmasked(view.getUint32(at + 12 + length, true))).toBe(crc32c(data));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

function unmasked(checksum: number): number {
  const rotated = (checksum - 0xa282ead8) >>> 0;
  return ((rotated << 15) | (rotated >>> 17)) >>> 0;
}

function eventOf(bytes: Uint8Array): ReadEvent {
  const reader = new BinaryReader(bytes);
  const event = { step: 0, scalars: {}, started: false };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 2) event.step = Number(reader.int64());
    else if (field === 3) Object.assign(event, { version: reader.string() });
    else if (field === 5) event.scalars = scalarsOf(reader.bytes());
    else if (field === 7)
      event.started = reader.bytes().join() === "8,1"; // status: START
    else reader.skip(type);
  }
  return event;
}

function scalarsOf(summary: Uint8Array): Record<string, number> {
  const reader = new BinaryReader(summary);
  const scalars: Record<string, number> = {};
  while (reader.pos < reader.len) {
    reader.tag();
    const value = new BinaryReader(reader.bytes());
    value.tag();
    const tag = value.string();
    value.tag();
    scalars[tag] = value.float();
  }
  return scalars;
}
