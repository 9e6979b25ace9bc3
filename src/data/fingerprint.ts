import type { Example } from "./tokenize.js";

/** What tells data sets apart: the number of examples, and a hash (FNV-1a) of all their tokens and labels in order. */
export function fingerprint(examples: readonly Example[]): string {
  let hash = 0x811c9dc5;
  const add = (x: number) => {
    hash = Math.imul(hash ^ x, 0x01000193);
  };
  for (const { inputIds, labels } of examples) {
    add(inputIds.length);
    inputIds.forEach(add);
    labels.forEach(add);
  }
  return `${examples.length} examples, ${(hash >>> 0).toString(16).padStart(8, "0")}`;
}
