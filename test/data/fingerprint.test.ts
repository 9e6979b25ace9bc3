import { expect, test } from "vitest";
import { fingerprint } from "../../src/data/fingerprint.js";

const learned = (...inputIds: number[]) => ({ inputIds, labels: inputIds });

test("the same examples have the same fingerprint, other ones another", () => {
  const examples = [learned(1, 2, 3), learned(4, 5)];
  expect(fingerprint(examples)).toMatch(/^2 examples, [0-9a-f]{8}$/);
  expect(fingerprint(structuredClone(examples))).toBe(fingerprint(examples));
  const others = [
    [learned(4, 5), learned(1, 2, 3)],
    [learned(1, 2), learned(3, 4, 5)],
    [learned(1, 2, 3), learned(4, 6)],
    [{ inputIds: [1, 2, 3], labels: [-100, 2, 3] }, learned(4, 5)],
  ];
  const all = [examples, ...others].map(fingerprint);
  expect(new Set(all).size).toBe(all.length);
});
