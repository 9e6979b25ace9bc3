import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cast,
  compile,
  div,
  exp,
  greaterEqual,
  log,
  max,
  maximum,
  neg,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  takeAlong,
  type Value,
  valueAndGrad,
  where,
} from "../../src/engine/index.js";
import { asLanguageModel, type LanguageModel } from "../../src/models/language-model.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import type { Linear } from "../../src/nn/layers.js";
import { LoraLinear } from "../../src/nn/lora.js";
import { nameParameters } from "../../src/nn/module.js";
import { adaptersOf, type Fixture, openFixture, toBool, typeOf } from "./fixture.js";

/** Tests that a tiny random model gives the numbers that transformers and PEFT give (interop/make-fixtures.py). */
export function describeParity(name: string): void {
  describe(`${name} computes what transformers does`, () => {
    let fixture: Fixture;
    beforeAll(async () => {
      fixture = await openFixture(name);
    });
    afterAll(() => fixture.frozen.dispose());
    const get = (key: string): Tensor => fixture.expected.get(key)!;

    test("logits and loss", async () => {
      const { checkpoint, frozen } = fixture;
      const step = await compile(
        ({ inputIds, labels }) => {
          const logits = logitsOf(asLanguageModel(checkpoint.model), inputIds);
          return { logits, loss: lossOf(logits, labels) };
        },
        { inputs: { inputIds: typeOf(get("input_ids")), labels: typeOf(get("labels")) }, frozen, threads: 1 },
      );
      const { logits, loss } = await step.run({ inputIds: get("input_ids"), labels: get("labels") });
      expect(logits).toBeCloseToTensor(get("logits"), { atol: 1e-4, rtol: 0 });
      expect(loss.item()).toBeCloseTo(get("loss").item(), 4);
      await step.release();
    });

    test("logits of real tokens where others are padding", async () => {
      const { checkpoint, frozen } = fixture;
      const mask = toBool(get("attention_mask"));
      const step = await compile(
        ({ inputIds, mask }) => ({ logits: logitsOf(asLanguageModel(checkpoint.model), inputIds, mask) }),
        {
          inputs: { inputIds: typeOf(get("input_ids")), mask: typeOf(mask) },
          frozen,
          threads: 1,
        },
      );
      const { logits } = await step.run({ inputIds: get("input_ids"), mask });
      expect(realRows(logits, mask)).toBeCloseToTensor(realRows(get("padded_logits"), mask), {
        atol: 1e-4,
        rtol: 0,
      });
      await step.release();
    });

    // Last: it changes the model.
    test.each([false, true])("LoRA: logits, loss and gradients (checkpointing %s)", async (checkpointing) => {
      const { checkpoint, frozen } = fixture;
      const model = asLanguageModel(checkpoint.model);
      const adapters = Object.keys(adaptersOf(fixture.expected));
      for (const [path, module] of [...model.namedModules()]) {
        const target = adapters.includes(`${path}.lora_A.weight`) && !(module instanceof LoraLinear);
        if (target) model.set(path, new LoraLinear(module as Linear, 4, 8 / 4));
      }
      nameParameters(model);
      const step = await compile(
        valueAndGrad(({ inputIds, labels }: { inputIds: Value; labels: Value }) => {
          const logits = logitsOf(model, inputIds, undefined, checkpointing);
          return { value: lossOf(logits, labels), logits };
        }),
        { inputs: { inputIds: typeOf(get("input_ids")), labels: typeOf(get("labels")) }, frozen, threads: 1 },
      );
      const params = Object.fromEntries(adapters.map((key) => [key, get(key)]));
      const result = await step.run({ inputIds: get("input_ids"), labels: get("labels"), params });
      expect(result.value.item()).toBeCloseTo(get("lora_loss").item(), 4);
      expect((result as unknown as { logits: Tensor }).logits).toBeCloseToTensor(get("lora_logits"), {
        atol: 1e-4,
        rtol: 0,
      });
      expect(Object.keys(result.grads).sort()).toEqual(adapters.sort());
      for (const key of adapters) {
        expect(result.grads[key]!, key).toBeCloseToTensor(get(`grad.${key}`), { atol: 1e-5, rtol: 1e-3 });
      }
      await step.release();
    });
  });
}

function logitsOf(model: LanguageModel, inputIds: Value, mask?: Value, checkpointing = false): Value {
  const [batch, length] = inputIds.shape as [number, number];
  const { causal } = model;
  return model.logits(
    model.forward(inputIds, new ForwardContext({ batch, length, mask, causal, checkpointing })),
  );
}

/** Mean cross-entropy of the next token where its label is not -100. */
function lossOf(logits: Value, labels: Value): Value {
  const [batch, length, vocab] = logits.shape as [number, number, number];
  const rows = reshape(slice(logits, 1, 0, length - 1), [batch * (length - 1), vocab]);
  const target = reshape(slice(labels, 1, 1, length), [-1, 1]);
  const shifted = sub(rows, max(rows, [-1], true));
  const logProb = sub(takeAlong(shifted, maximum(target, 0), 1), log(sum(exp(shifted), [-1], true)));
  const counted = greaterEqual(target, 0);
  return div(neg(sum(where(counted, logProb, 0))), sum(cast(counted, "f32")));
}

/** The logits of real tokens only. */
function realRows(logits: Tensor, mask: Tensor): number[] {
  const vocab = logits.shape.at(-1)!;
  return [...mask.data].flatMap((real, i) =>
    real ? [...logits.f32.subarray(i * vocab, (i + 1) * vocab)] : [],
  );
}
