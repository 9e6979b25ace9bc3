import { expect, test } from "vitest";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { decoderBytes } from "../../../src/tptt/graphs/footprint.js";
import { openTitan, randomIds } from "../titan.js";

test.each<[string, string, FromPretrainedOptions]>([
  ["both paths", "gemma3", { operatorMode: "delta_rule" }],
  ["the memory alone", "gemma3", { operatorMode: "gated_delta_product", magWeight: 1 }],
  ["the base model alone", "gemma3", { disableLinearAttn: true }],
  ["a shortened window", "llama-gqa", { maxSelfAttnLength: 16 }],
])("a decoder with %s has the size that was told", async (_, name, options) => {
  const model = await openTitan(name, options);
  const decoder = model.decoder();
  for (const length of [3, 60]) {
    await decoder.read([randomIds(length)]);
    expect(decoder.stateBytes).toBe(decoderBytes(model.base, model.memoryMode, decoder.seen[0]!));
  }
});

test("the state grows with the text only where attention is global, and not at all at mu = 1", async () => {
  const { base } = await openTitan("gemma3");
  const size = (mode: "mixed" | "only", tokens: number) => decoderBytes(base, mode, tokens);
  // One of four layers is global: 2 x 12 numbers a slot.
  expect(size("mixed", 1024) - size("mixed", 512)).toBe(512 * 2 * 12 * 4);
  expect(size("only", 100_000)).toBe(size("only", 1));
});
