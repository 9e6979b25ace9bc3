import { describe, expect, test } from "vitest";
import { vit } from "../../src/models/vit.js";
import { describeEncoderParity } from "./encoder-parity.js";

for (const name of ["vit", "vit-oblong"]) describeEncoderParity(name);

describe("the config", () => {
  const build = (fields: object) => vit.build({ model_type: "vit", ...fields }, "config.json");

  test("a size is a number or a pair, and the first token has a position too", () => {
    expect(build({}).config.maxPositionEmbeddings).toBe(14 * 14 + 1);
    expect(build({ image_size: [32, 48], patch_size: [16, 8] }).config.maxPositionEmbeddings).toBe(13);
  });

  test.each([
    [{ image_size: 8 }, "image_size: is 8; expected at least patch_size"],
    [{ patch_size: 0 }, "patch_size: is 0; Too small"],
    [{ patch_size: [1, 2, 3] }, "patch_size: is [1,2,3]; expected a number or [height, width]"],
    [{ pooler_act: "relu" }, 'pooler_act: is "relu"; expected tanh'],
    [{ num_attention_heads: 5 }, "num_attention_heads: is 5, expected a divisor of hidden_size (768)"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(`config.json: ${message}`);
  });
});

test("images of another size or number of channels are refused with the size that is expected", () => {
  const model = vit.build({ model_type: "vit", image_size: [32, 48] }, "config.json");
  expect(model.sequenceLength([2, 3, 32, 48])).toBe(7);
  for (const shape of [
    [2, 3, 48, 32],
    [2, 1, 32, 48],
    [3, 32, 48],
  ])
    expect(() => model.sequenceLength(shape)).toThrow(
      `pixel_values: has the shape [${shape}], expected [batch,3,32,48]; scale the images to 32 x 48`,
    );
});
