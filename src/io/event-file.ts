import { type FileHandle, mkdir, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { crc32c } from "./crc32c.js";

/**
 * An event file of TensorBoard: records of TensorFlow (TFRecord), each a message `Event`, appended one by one, so that a
 * board shows them while a run goes on and a killed one loses none.
 */
export class EventFile {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Starts a new file in the folder, which is made if need be. Its name sorts after those of older files. */
  static async create(folder: string): Promise<EventFile> {
    await mkdir(folder, { recursive: true });
    const time = (Date.now() / 1000).toFixed(3);
    const name = `events.out.tfevents.${time}.${hostname()}.${process.pid}`;
    const file = new EventFile(await open(join(folder, name), "wx"));
    await file.#append(versionEvent());
    return file;
  }

  /** Numbers by their tags, as they were at a step. They are held in single precision, as TensorBoard does. */
  appendScalars(step: number, scalars: Iterable<readonly [tag: string, value: number]>): Promise<void> {
    return this.#append(scalarsEvent(step, scalars));
  }

  /** Says that what follows is a run that went on: of older files, steps from this one on no longer count. */
  appendStart(step: number): Promise<void> {
    return this.#append(startEvent(step));
  }

  async #append(event: Uint8Array): Promise<void> {
    await this.#handle.appendFile(record(event));
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** A TFRecord: length, its checksum, the data, their checksum (tensorflow/core/lib/io/record_writer.h). */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return bytes;
}

/** A checksum of data that hold checksums would be weak: it is rotated by 15 bits and moved. */
const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

/*
 * The messages that we write, by field number (tensorboard/compat/proto/event.proto, summary.proto).
 */

/** An Event before its content. */
const event = (step: number): BinaryWriter =>
  new BinaryWriter()
    .tag(1, WireType.Bit64)
    .double(Date.now() / 1000)
    .tag(2, WireType.Varint)
    .int64(step);

/** The first event of a file. */
const versionEvent = (): Uint8Array =>
  event(0).tag(3, WireType.LengthDelimited).string("brain.Event:2").finish();

/** An Event with a Summary: a Value of tag and simple_value for each scalar. */
function scalarsEvent(step: number, scalars: Iterable<readonly [tag: string, value: number]>): Uint8Array {
  const summary = new BinaryWriter();
  for (const [tag, value] of scalars) {
    summary.tag(1, WireType.LengthDelimited).fork();
    summary.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(value);
    summary.join();
  }
  return event(step).tag(5, WireType.LengthDelimited).bytes(summary.finish()).finish();
}

/** An Event with a SessionLog of status START. */
const startEvent = (step: number): Uint8Array =>
  event(step)
    .tag(7, WireType.LengthDelimited)
    .bytes(new BinaryWriter().tag(1, WireType.Varint).int32(1).finish())
    .finish();
