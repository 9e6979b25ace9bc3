import { expect, test } from "vitest";
import { compile, mul, sum, Tensor, type Value, valueAndGrad } from "../../src/engine/index.js";
import { llama } from "../../src/models/llama.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { initialTensors } from "../../src/nn/init.js";
import { nameParameters } from "../../src/nn/module.js";
import { Random } from "../../src/random.js";

const [batch, length] = [2, 7];

test("checkpointing computes layers again, and changes neither loss nor gradients", async () => {
  const config = {
    model_type: "llama",
    vocab_size: 11,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 3,
    num_attention_heads: 2,
  };
  const model = llama.build(config, "config");
  nameParameters(model);
  for (const [, parameter] of model.namedParameters()) parameter.trainable = true;
  const random = new Random(5);
  const params = Object.fromEntries(initialTensors(model, random));
  const inputIds = Tensor.int64(
    [batch, length],
    Array.from({ length: batch * length }, () => random.below(11)),
  );
  const mask = new Tensor("bool", [batch, length], Uint8Array.of(0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0));

  const results = await Promise.all(
    [false, true].map(async (checkpointing) => {
      const loss = ({ inputIds, mask }: { inputIds: Value; mask: Value }) => {
        const logits = model.logits(
          model.forward(inputIds, new ForwardContext({ batch, length, mask, checkpointing })),
        );
        return sum(mul(logits, logits));
      };
      const types = {
        inputIds: { dtype: "int64", shape: [batch, length] },
        mask: { dtype: "bool", shape: [batch, length] },
      } as const;
      const step = await compile(valueAndGrad(loss), { inputs: types, threads: 1 });
      const result = await step.run({ inputIds, mask, params });
      const { nodeCount } = step;
      await step.release();
      return { ...result, nodeCount };
    }),
  );
  const [plain, again] = results as [(typeof results)[0], (typeof results)[0]];
  expect(again.nodeCount).toBeGreaterThan(plain.nodeCount * 1.2);
  expect(again.value.item()).toBeCloseTo(plain.value.item(), 6);
  expect(Object.keys(plain.grads).sort()).toEqual(Object.keys(params).sort());
  for (const [name, gradient] of Object.entries(plain.grads)) {
    expect(Math.max(...gradient.f32.map(Math.abs)), name).toBeGreaterThan(0);
    expect(again.grads[name]!, name).toBeCloseToTensor(gradient, { atol: 1e-7 });
  }
});
