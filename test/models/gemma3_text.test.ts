import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile, gather, reshape, Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import { gemma3Text } from "../../src/models/gemma3_text.js";
import { asLanguageModel } from "../../src/models/language-model.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { describeParity } from "./parity.js";

for (const name of ["gemma3", "gemma3-scaled"]) describeParity(name);

const small = {
  model_type: "gemma3_text",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 4,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  sliding_window: 6,
};
const build = (fields: object) => gemma3Text.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  const global = Number.POSITIVE_INFINITY;

  test.each([
    ["every sixth layer is global by default", { num_hidden_layers: 7 }, [6, 6, 6, 6, 6, global, 6]],
    [
      "sliding_window_pattern says which layers are global",
      { sliding_window_pattern: 2 },
      [6, global, 6, global],
    ],
    ["so does its newer name", { _sliding_window_pattern: 3 }, [6, 6, global, 6]],
    [
      "a list of layer types goes first",
      {
        _sliding_window_pattern: 3,
        layer_types: ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
      },
      [global, 6, 6, global],
    ],
  ])("%s", (_, fields, windows) => {
    expect([...build(fields).attentions()].map(([, layer]) => layer.window)).toEqual(windows);
  });

  test("the rope fields of transformers 5 mean the same as those of 4", () => {
    const scaling = { rope_type: "linear", factor: 8 };
    const older = build({ rope_theta: 2e6, rope_local_base_freq: 5e3, rope_scaling: scaling });
    const newer = build({
      rope_parameters: {
        full_attention: { rope_theta: 2e6, ...scaling },
        sliding_attention: { rope_theta: 5e3, rope_type: "default" },
      },
    });
    expect(newer.config).toEqual(older.config);
    expect(newer.config).toMatchObject({ ropeTheta: 2e6, ropeLocalBaseFreq: 5e3 });
  });

  test.each([
    [{ final_logit_softcapping: 30 }, "config.json: final_logit_softcapping: is 30; expected null"],
    [{ hidden_activation: "gelu" }, 'config.json: hidden_activation: is "gelu"; expected gelu_pytorch_tanh'],
    [
      { layer_types: ["full_attention"] },
      "config.json: layer_types: lists 1 layers, expected num_hidden_layers (4)",
    ],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});

const real = join(homedir(), ".cache/tptt/models/gemma-3-270m-q4_k_m.gguf");

test.runIf(existsSync(real))(
  "the real Gemma 3 270M goes on greedily as it should",
  { timeout: 300_000 },
  async () => {
    const length = 64;
    const checkpoint = await openCheckpoint(real);
    const frozen = await checkpoint.load();
    const model = asLanguageModel(checkpoint.model);
    const next = await compile(
      ({ inputIds, last }) => {
        const hidden = model.forward(inputIds, new ForwardContext({ batch: 1, length }));
        return { logits: model.logits(gather(reshape(hidden, [length, -1]), last)) };
      },
      {
        inputs: { inputIds: { dtype: "int64", shape: [1, length] }, last: { dtype: "int64", shape: [1] } },
        frozen,
      },
    );
    const tokenizer = (await checkpoint.tokenizer())!;
    const prompt = tokenizer.encode("The capital of France is");
    expect(prompt).toEqual([2, 818, 5279, 529, 7001, 563]);
    const ids = [...prompt];
    while (ids.length < prompt.length + 44) {
      const padded = [...ids, ...Array<number>(length - ids.length).fill(0)];
      const { logits } = await next.run({
        inputIds: Tensor.int64([1, length], padded),
        last: Tensor.int64([1], [ids.length - 1]),
      });
      ids.push(logits.f32.reduce((best, x, i, all) => (x > all[best]! ? i : best), 0));
    }
    await next.release();
    await frozen.dispose();
    await checkpoint.close();

    expect(tokenizer.decode(ids.slice(prompt.length))).toBe(
      " the capital of the country of France. It is the largest city in France and the second largest city in Europe. It is located in the middle of the country and is the capital of the region of the same name.",
    );
  },
);
