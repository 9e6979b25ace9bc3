import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Tensor } from "../../src/engine/index.js";
import { addAdapters, runWeighed } from "./encoder-run.js";
import { adaptersOf, type Fixture, openFixture } from "./fixture.js";

/** Tests that a tiny random model without a head gives the numbers that transformers and PEFT give. */
export function describeEncoderParity(name: string): void {
  describe(`${name} computes what transformers does`, () => {
    let fixture: Fixture;
    beforeAll(async () => {
      fixture = await openFixture(name);
    });
    afterAll(() => fixture.frozen.dispose());
    const get = (key: string): Tensor => fixture.expected.get(key)!;

    test("hidden states and pooled output", async () => {
      const { outputs } = await runWeighed(fixture, {});
      expect(outputs.length).toBe(fixture.expected.has("pooler_output") ? 2 : 1);
      expect(outputs[0]!).toBeCloseToTensor(get("last_hidden_state"), { atol: 1e-4, rtol: 0 });
      if (outputs[1]) expect(outputs[1]).toBeCloseToTensor(get("pooler_output"), { atol: 1e-4, rtol: 0 });
    });

    // Last: it changes the model.
    test.each([false, true])(
      "LoRA: hidden states and the gradients of their weighted sum (checkpointing %s)",
      async (checkpointing) => {
        addAdapters(fixture);
        const { value, outputs, grads } = await runWeighed(
          fixture,
          adaptersOf(fixture.expected),
          checkpointing,
        );
        expect(value).toBeCloseTo(get("lora_value").item(), 3);
        expect(outputs[0]!).toBeCloseToTensor(get("lora_last_hidden_state"), { atol: 1e-4, rtol: 0 });
        expectGradients(fixture, grads, "lora_grad");
      },
    );
  });
}

/** Every gradient within a thousandth of the largest number of its matrix. */
function expectGradients(fixture: Fixture, grads: Readonly<Record<string, Tensor>>, prefix: string): void {
  const adapters = Object.keys(adaptersOf(fixture.expected));
  expect(Object.keys(grads).sort()).toEqual(adapters.sort());
  for (const key of adapters) {
    const wanted = fixture.expected.get(`${prefix}.${key}`)!;
    const largest = Math.max(...wanted.f32.map(Math.abs));
    expect(grads[key]!, key).toBeCloseToTensor(wanted, { atol: 1e-3 * largest, rtol: 0 });
  }
}
