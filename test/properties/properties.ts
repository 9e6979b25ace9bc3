import fc from "fast-check";
import { Tensor } from "../../src/engine/index.js";
import { arrayType, bytesPerElement, type DType, sizeOf } from "../../src/engine/tensor.js";
import { InputError } from "../../src/errors.js";

/*
 * What the properties of all readers share: kinds of names, bytes and tensors, and how a reading may end.
 */

/** Checks a property on as many drawn values as `runs`; the same ones each time. */
export function holds<Drawn extends [unknown, ...unknown[]]>(
  runs: number,
  ...given: [...{ [K in keyof Drawn]: fc.Arbitrary<Drawn[K]> }, (...drawn: Drawn) => Promise<void> | void]
): Promise<void> {
  const check = given.pop() as (...drawn: Drawn) => Promise<void> | void;
  const arbitraries = given as unknown as { [K in keyof Drawn]: fc.Arbitrary<Drawn[K]> };
  const property = fc.asyncProperty(...arbitraries, async (...drawn) => check(...drawn));
  return fc.assert(property, { seed: 1, numRuns: runs });
}

/** What a reading gives, or `refused`; any error that is no {@link InputError} is thrown on. */
export async function outcome<T>(read: () => T | Promise<T>): Promise<T | typeof refused> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError) return refused;
    throw error;
  }
}

/** How a reading ends that finds a mistake. */
export const refused = Symbol("refused");

/** Names that mean something to JavaScript or JSON, and any others. */
export const names = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "", "0", "a.b", "\u0000", "\ufeff", '"', "\\"),
  fc.string({ unit: "binary", maxLength: 8 }),
);

/** Texts with line ends, quotes, marks and characters of every length. */
export const texts = fc.string({
  unit: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom(...'ab ,;\t"\n\r\\|{}[]:', "\r\n", "\ufeff", "\u2028", "\ud83d\ude00"),
    },
    { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
  ),
  maxLength: 12,
});

const dtypes: readonly DType[] = ["f64", "f32", "f16", "bf16", "int64", "int32", "int8", "uint8", "bool"];

/** Tensors of every type, of up to three dimensions, with any bits. */
export const tensors: fc.Arbitrary<Tensor> = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(4), { maxLength: 3 }) })
  .chain(({ dtype, shape }) =>
    bytesOf(sizeOf(shape) * bytesPerElement(dtype)).map((bytes) => {
      return new Tensor(dtype, shape, new (arrayType(dtype))(bytes.buffer as ArrayBuffer));
    }),
  );

/** Exactly so many bytes, in a buffer of their own. */
export const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => bytes.slice());

/** The bits of a tensor: a NaN has many that are equal to nothing. */
export const bitsOf = ({ dtype, shape, data }: Tensor): unknown => [
  dtype,
  shape,
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex"),
];

/** How much of something is left, from none to all but a little: 0 <= share < 1. */
export const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** A file that was cut off: its first bytes, not all of them. */
export const cut = (bytes: Uint8Array, left: number): Uint8Array =>
  bytes.slice(0, Math.floor(bytes.length * left));

/** One to four bytes of a file replaced: where, as a share of it, and by what. */
export const damage = fc.array(fc.tuple(share, fc.nat(255)), { minLength: 1, maxLength: 4 });

export function damaged(
  bytes: Uint8Array,
  places: readonly (readonly [at: number, byte: number])[],
): Uint8Array {
  const changed = bytes.slice();
  for (const [at, byte] of places) changed[Math.floor(bytes.length * at)] = byte;
  return changed;
}
