import { describe, expect, onTestFinished, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import type { EncodeInputs } from "../../src/tptt/batch.js";
import type { RecurrentConfig } from "../../src/tptt/config.js";
import { getTpttModel } from "../../src/tptt/inject.js";
import { adaptersOf, addAdapters, expectGradients, runWeighed } from "../models/encoder-parity.js";
import { type Fixture, openFixture } from "../models/fixture.js";
import { openTitan, randomIds, rows } from "./titan.js";

const names = ["bert", "vit", "vit-oblong"];

/** The titans of interop/encoder_fixture.py: what they read the memory with, and from which side. */
const titans = {
  causal: { order: 2, alphaGate: "k", betaGate: "k", trick: "dt", linear: true, bidirectional: false },
  bidirectional: { order: 3, alphaGate: "v", betaGate: "kv", trick: "rot", linear: true, bidirectional: true },
} as const satisfies Record<string, RecurrentConfig & { bidirectional: boolean }>;

async function open(name: string): Promise<Fixture> {
  const fixture = await openFixture(name);
  onTestFinished(() => fixture.frozen.dispose());
  return fixture;
}

function inputsOf({ expected }: Fixture): EncodeInputs {
  const pixelValues = expected.get("pixel_values");
  if (pixelValues) return { pixelValues };
  return {
    inputIds: expected.get("input_ids")!,
    attentionMask: expected.get("attention_mask")!,
    tokenTypeIds: expected.get("token_type_ids")!,
  };
}

/** Hidden states with zeros where the fixture has padding. */
function atRealTokens(hidden: Tensor, { expected }: Fixture): Tensor {
  const mask = expected.get("attention_mask");
  if (!mask) return hidden;
  const dim = hidden.shape[2]!;
  return Tensor.f32(
    hidden.shape,
    hidden.f32.map((x, i) => x * Number(mask.data[Math.floor(i / dim)])),
  );
}

const closely = { atol: 1e-4, rtol: 0 };

describe.each(names)("%s", (name) => {
  test("encodes what transformers' AutoModel does", async () => {
    const fixture = await open(name);
    const model = await openTitan(name, { disableLinearAttn: true });
    const { lastHiddenState, poolerOutput } = await model.encode(inputsOf(fixture));
    expect(lastHiddenState).toBeCloseToTensor(fixture.expected.get("last_hidden_state")!, closely);
    const pooled = fixture.expected.get("pooler_output");
    expect(poolerOutput?.shape).toEqual(pooled?.shape);
    if (pooled) expect(poolerOutput!).toBeCloseToTensor(pooled, closely);
  });

  test.each(Object.entries(titans))(
    "a titan with a %s memory is that of the loop over tokens",
    async (which, { bidirectional, ...recurrentConfig }) => {
      const fixture = await open(name);
      const { expected } = fixture;
      const model = await openTitan(name, {
        ...recurrentConfig,
        bidirectional,
        loraConfig: { r: 4, loraAlpha: 8, targetModules: ["query", "key", "value", "dense"] },
      });
      const adapters = adaptersOf(fixture);
      model.params = Object.fromEntries(
        model.trainable.map(({ name: path }) => [path, adapters[path.replace(".base_attn.", ".")]!]),
      );
      const { lastHiddenState, poolerOutput } = await model.encode(inputsOf(fixture));
      expect(atRealTokens(lastHiddenState, fixture)).toBeCloseToTensor(
        atRealTokens(expected.get(`${which}_last_hidden_state`)!, fixture),
        closely,
      );
      const pooled = expected.get(`${which}_pooler_output`);
      if (pooled) expect(poolerOutput!).toBeCloseToTensor(pooled, closely);

      getTpttModel(fixture.checkpoint.model, { recurrentConfig, bidirectional });
      addAdapters(fixture);
      const { value, grads } = await runWeighed(fixture, adapters);
      expect(value).toBeCloseTo(expected.get(`${which}_value`)!.item(), 3);
      expectGradients(fixture, grads, `${which}_grad`);
    },
  );
});
