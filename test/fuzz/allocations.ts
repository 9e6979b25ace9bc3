/*
 * Counts the bytes of buffers that are asked for, also those that the system has not put memory behind yet. Loaded before
 * anything that is to be counted: it puts counting constructors in the place of the language's own.
 */

let allocated = 0;

/** Bytes of all buffers that were asked for by their length so far. */
export const allocatedBytes = (): number => allocated;

type Constructor = { new (...given: unknown[]): object; readonly BYTES_PER_ELEMENT?: number };

const names = [
  "ArrayBuffer",
  "Uint8Array",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
];
const globals = globalThis as unknown as Record<string, Constructor>;
for (const name of names) {
  const original = globals[name]!;
  const counting: Constructor = new Proxy(original, {
    construct(target, given, newTarget) {
      const [length] = given;
      if (typeof length === "number") allocated += length * (target.BYTES_PER_ELEMENT ?? 1);
      return Reflect.construct(target, given, newTarget === counting ? target : newTarget);
    },
  });
  original.prototype.constructor = counting;
  globals[name] = counting;
}

for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
  const original = Buffer[name];
  Buffer[name] = (size: number, ...rest: []) => {
    allocated += size;
    return original(size, ...rest);
  };
}
