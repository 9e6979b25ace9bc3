import { expect, test } from "vitest";
import { hasKey } from "../../../src/serve/http/api-key.js";

test.each([
  ["Bearer secret", true],
  ["bearer  secret", true],
  ["Bearer secret2", false],
  ["Bearer secre", false],
  ["Bearer ", false],
  ["secret", false],
  ["Basic secret", false],
  [undefined, false],
])("%s: %s", (header, expected) => {
  expect(hasKey(header, "secret")).toBe(expected);
});
