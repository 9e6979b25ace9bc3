import type { Random } from "../../src/random.js";

/** Makes other bytes of bytes. */
export type Mutation = (bytes: Buffer, random: Random) => Buffer;

/** What lengths, counts and offsets are set to: ends of the integer types and their neighbours. */
const extremes = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  2n ** 20n,
  2n ** 30n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 40n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** A copy of bytes with an integer (little-endian, `size` bytes) at a place set to an extreme, or beside what it was. */
export function setInteger(bytes: Buffer, offset: number, size: number, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  let before = 0n;
  for (let i = size - 1; i >= 0; i--) before = (before << 8n) | BigInt(bytes[offset + i] ?? 0);
  const near = [before + 1n, before - 1n, before * 2n, before ^ (1n << BigInt(random.below(8 * size)))];
  let value = BigInt.asUintN(8 * size, random.choice([...near, ...extremes]));
  for (let i = 0; i < size && offset + i < changed.length; i++, value >>= 8n) {
    changed[offset + i] = Number(value & 0xffn);
  }
  return changed;
}

const flipBits: Mutation = (bytes, random) => {
  const changed = Buffer.from(bytes);
  for (let n = 1 + random.below(8); n > 0; n--) changed[place(bytes, random)]! ^= 1 << random.below(8);
  return changed;
};

const setBytes: Mutation = (bytes, random) => {
  const changed = Buffer.from(bytes);
  const at = place(bytes, random);
  const end = Math.min(bytes.length, at + 1 + random.below(16));
  changed.fill(random.choice([0, 0xff, 0x80, 0x20, random.below(256)]), at, end);
  return changed;
};

const truncate: Mutation = (bytes, random) => bytes.subarray(0, place(bytes, random));

const removeSpan: Mutation = (bytes, random) => {
  const { start, end } = span(bytes, random);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
};

const duplicateSpan: Mutation = (bytes, random) => {
  const { start, end } = span(bytes, random);
  const at = place(bytes, random);
  const copies = Array.from({ length: 1 + random.below(3) }, () => bytes.subarray(start, end));
  return Buffer.concat([bytes.subarray(0, at), ...copies, bytes.subarray(at)]);
};

const moveSpan: Mutation = (bytes, random) => {
  const { start, end } = span(bytes, random);
  const changed = Buffer.from(bytes);
  bytes.copy(changed, place(bytes, random), start, end);
  return changed;
};

const setAnyInteger: Mutation = (bytes, random) =>
  setInteger(bytes, place(bytes, random), random.choice([1, 2, 4, 8]), random);

const byteMutations = [
  flipBits,
  setBytes,
  truncate,
  removeSpan,
  duplicateSpan,
  moveSpan,
  setAnyInteger,
] as const;

/** Changes bytes of whatever kind: flips, spans removed, doubled and moved, extreme integers, a cut end. */
export const mutateBytes: Mutation = (bytes, random) =>
  bytes.length === 0 ? Buffer.from([random.below(256)]) : random.choice(byteMutations)(bytes, random);

/** A place in bytes: half of them near the two ends, where formats have their lengths. */
function place({ length }: Buffer, random: Random): number {
  const near = Math.min(length, 64);
  const kind = random.below(4);
  if (kind === 0) return random.below(near);
  return kind === 1 ? length - near + random.below(near) : random.below(length);
}

function span(bytes: Buffer, random: Random): { start: number; end: number } {
  const start = place(bytes, random);
  return {
    start,
    end: Math.min(bytes.length, start + 1 + random.below(random.choice([4, 64, bytes.length]))),
  };
}
