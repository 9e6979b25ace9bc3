/**
 * Unpacks an LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md); its checksums are not looked at, for
 * whoever unpacks something here knows the hash of it.
 */
export function unpackLz4(frame: Uint8Array, size: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== 0x184d2204) throw new Error("not an LZ4 frame");
  const flags = frame[4]!;
  const has = (bit: number) => (flags >> bit) & 1;
  let at = 7 + 8 * has(3) + 4 * has(0);
  const out = new Uint8Array(size);
  let length = 0;
  for (let header = view.getUint32(at, true); header !== 0; header = view.getUint32(at, true)) {
    const end = at + 4 + (header & 0x7fffffff);
    const block = frame.subarray(at + 4, end);
    if (header >>> 31) {
      out.set(block, length);
      length += block.length;
    } else length = unpackBlock(block, out, length);
    at = end + 4 * has(4);
  }
  if (length !== size) throw new Error(`unpacked ${length} bytes, expected ${size}`);
  return out;
}

/** Sequences of literals and of bytes that were there before. @returns where the output ends. */
function unpackBlock(block: Uint8Array, out: Uint8Array, start: number): number {
  let [at, to] = [0, start];
  /** A length of 15 goes on in the next bytes. */
  const lengthFrom = (nibble: number) => {
    let length = nibble;
    if (nibble === 15) {
      for (let more = 255; more === 255; length += more) more = block[at++]!;
    }
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = lengthFrom(token >> 4);
    out.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    if (at >= block.length) break;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    // Byte by byte: what is copied may reach into what it makes.
    for (const end = to + lengthFrom(token & 15) + 4; to < end; to++) out[to] = out[to - distance]!;
  }
  return to;
}
