import { expect, test } from "vitest";
import { architectureOf, architectures, ggufArchitectureOf } from "../../src/models/registry.js";

test("every name leads to one family", () => {
  const types = architectures.flatMap(({ modelTypes }) => modelTypes);
  expect(new Set(types).size).toBe(types.length);
  for (const architecture of architectures) {
    for (const type of architecture.modelTypes) expect(architectureOf(type, "x")).toBe(architecture);
    if (architecture.gguf) expect(ggufArchitectureOf(architecture.gguf.name, "x")).toBe(architecture);
  }
});

test("a config without a model_type is answered with the known ones", () => {
  const known = architectures.flatMap(({ modelTypes }) => modelTypes).join(", ");
  expect(() => architectureOf(undefined, "config.json")).toThrow(
    `config.json: model_type: is missing, expected one of ${known}; take a model of one of these families`,
  );
});
