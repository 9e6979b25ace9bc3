import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tensor } from "../../src/engine/index.js";
import { memorySource } from "../../src/io/byte-source.js";
import { encodeSafetensors, openSafetensorsFile } from "../../src/io/safetensors.js";
import {
  bitsOf,
  cut,
  damage,
  damaged,
  holds,
  names,
  outcome,
  refused,
  share,
  tensors,
} from "./properties.js";

const files = fc.record({
  tensors: fc.array(fc.tuple(names, tensors), { maxLength: 5 }).map((entries) => new Map(entries)),
  metadata: fc.dictionary(names, names, { maxKeys: 3, noNullPrototype: true }),
});

type Contents = typeof files extends fc.Arbitrary<infer T> ? T : never;

const encode = ({ tensors, metadata }: Contents) => Buffer.concat([...encodeSafetensors(tensors, metadata)]);

async function readAll(bytes: Uint8Array) {
  const file = await openSafetensorsFile(memorySource("m.safetensors", bytes));
  const read: [string, unknown][] = [];
  for (const name of file.tensors.keys()) read.push([name, bitsOf(await file.read(name))]);
  return { tensors: new Map(read), metadata: file.metadata };
}

const bits = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map([...tensors].map(([name, tensor]) => [name, bitsOf(tensor)]));

test("any tensors under any names come back bit for bit, and the metadata with them", () =>
  holds(200, files, async (contents) => {
    const { tensors, metadata } = await readAll(encode(contents));
    expect(tensors).toEqual(bits(contents.tensors));
    expect(metadata).toEqual(new Map(Object.entries(contents.metadata)));
  }));

test("some rows of a tensor are those of the whole", () => {
  const matrices = tensors.filter(({ shape }) => shape.length > 0);
  return holds(200, matrices, share, share, async (tensor, a, b) => {
    const count = tensor.shape[0]!;
    const [start, end] = [a, b].map((x) => Math.floor(x * (count + 1))).sort((x, y) => x - y) as [
      number,
      number,
    ];
    const file = await openSafetensorsFile(
      memorySource("m.safetensors", encode({ tensors: new Map([["x", tensor]]), metadata: {} })),
    );
    const rows = await file.read("x", { start, end });
    const width = tensor.size / (count || 1);
    expect(rows.shape).toEqual(tensor.shape.with(0, end - start));
    expect(rows.data).toEqual(tensor.data.slice(start * width, end * width));
  });
});

test("a file that was cut off anywhere is refused", () =>
  holds(200, files, share, async (contents, left) => {
    expect(await outcome(() => readAll(cut(encode(contents), left)))).toBe(refused);
  }));

test("a file with a few other bytes is read or refused", () =>
  holds(500, files, damage, async (contents, places) => {
    await outcome(() => readAll(damaged(encode(contents), places)));
  }));

test("any header over any data is read or refused", () =>
  holds(
    500,
    fc.oneof(
      fc.json(),
      fc.jsonValue().map((x) => JSON.stringify({ x })),
    ),
    fc.nat(40),
    async (header, data) => {
      const text = Buffer.from(header);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      await outcome(() => readAll(Buffer.concat([length, text, Buffer.alloc(data)])));
    },
  ));
