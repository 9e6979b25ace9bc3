import { describe, expect, test } from "vitest";
import { bert } from "../../src/models/bert.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import { rewrittenFixture } from "./checkpoint-fixture.js";
import { describeEncoderParity } from "./encoder-parity.js";

describeEncoderParity("bert");

test("files of a model with a head, without a pooler, and with TensorFlow's names of norms are read", async () => {
  const folder = await rewrittenFixture("bert", (name) =>
    name.startsWith("pooler.")
      ? undefined
      : `bert.${name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")}`,
  );
  const [whole, checkpoint] = [
    await openCheckpoint(await rewrittenFixture("bert", (name) => name)),
    await openCheckpoint(folder),
  ];
  const [original, weights] = [await whole.load(), await checkpoint.load()];
  const names = [...checkpoint.model.namedParameters()].map(([, { name }]) => name);
  expect(names).toContain("encoder.layer.1.attention.output.LayerNorm.bias");
  expect(names.filter((name) => name.startsWith("pooler"))).toEqual([]);
  for (const name of names) expect(await weights.read(name)).toEqual(await original.read(name));
  for (const opened of [whole, checkpoint]) await opened.close();
  for (const read of [original, weights]) await read.dispose();
});

describe("the config", () => {
  const small = { model_type: "bert", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 4 };

  test.each([
    [
      { position_embedding_type: "relative_key" },
      'position_embedding_type: is "relative_key"; expected absolute',
    ],
    [{ hidden_act: "mish" }, 'hidden_act: is "mish"; '],
    [{ num_attention_heads: 3 }, "num_attention_heads: is 3, expected a divisor of hidden_size (16)"],
    [{ is_decoder: true }, "is_decoder: is true; expected false"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => bert.build({ ...small, ...fields }, "config.json")).toThrow(`config.json: ${message}`);
  });
});
