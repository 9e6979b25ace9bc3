import { Tensor } from "../../src/engine/index.js";
import { barePath } from "../../src/tptt/config/lora-targets.js";
import type { RecurrentConfig } from "../../src/tptt/config/operator-config.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import type { EncodeInputs, Encoding } from "../../src/tptt/graphs/batch.js";
import { getTpttModel } from "../../src/tptt/layer/inject.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { addAdapters, runWeighed } from "../models/encoder-run.js";
import { adaptersOf, type Fixture, fixtureFolder, openFixture } from "../models/fixture.js";
import { largestDifference, relativeDifference } from "../tensors.js";
import type { Differences } from "./backbone-check.js";

/** The titans of interop/encoder_fixture.py: how they remember, and from which side. */
export const encoderTitans = {
  causal: { order: 2, alphaGate: "k", betaGate: "k", trick: "dt", linear: true, bidirectional: false },
  bidirectional: {
    order: 3,
    alphaGate: "v",
    betaGate: "kv",
    trick: "rot",
    linear: true,
    bidirectional: true,
  },
} as const satisfies Record<string, RecurrentConfig & { bidirectional: boolean }>;

/**
 * A tiny model without a head through TpttModel.encode: plain, with LoRA and as titans, against transformers, PEFT and
 * the reference titan; and the gradients of the adapters.
 */
export async function compareEncoder(name: string): Promise<Differences> {
  const loraConfig = { r: 4, loraAlpha: 8, targetModules: ["query", "key", "value", "dense"] };
  const found: Differences[] = [
    await compareOutputs(name, "", { disableLinearAttn: true }),
    await compareOutputs(name, "lora_", { disableLinearAttn: true, loraConfig }),
    await compareGradients(name, "lora"),
  ];
  for (const [kind, memory] of Object.entries(encoderTitans)) {
    found.push(
      await compareOutputs(name, `${kind}_`, { ...memory, loraConfig }),
      await compareGradients(name, kind, memory),
    );
  }
  return Object.assign({}, ...found);
}

async function compareOutputs(
  name: string,
  prefix: string,
  options: FromPretrainedOptions,
): Promise<Differences> {
  const fixture = await openFixture(name);
  const model = await TpttModel.fromPretrained(fixtureFolder(name), options);
  try {
    const adapters = adaptersOf(fixture.expected);
    model.params = Object.fromEntries(
      model.trainable.map(({ name: path }) => [path, adapters[barePath(path)]!]),
    );
    const { lastHiddenState, poolerOutput }: Encoding = await model.encode(inputsOf(fixture));
    const get = (key: string) => fixture.expected.get(prefix + key)!;
    const real = (hidden: Tensor) => atRealTokens(hidden, fixture);
    const kind = prefix || "plain_";
    return {
      [`${kind}hidden_states`]: largestDifference(real(lastHiddenState), real(get("last_hidden_state"))),
      ...(poolerOutput ? { [`${kind}pooled`]: largestDifference(poolerOutput, get("pooler_output")) } : {}),
    };
  } finally {
    await model.dispose();
    await fixture.frozen.dispose();
  }
}

async function compareGradients(
  name: string,
  kind: string,
  memory?: RecurrentConfig & { readonly bidirectional: boolean },
): Promise<Differences> {
  const fixture = await openFixture(name);
  try {
    if (memory) {
      const { bidirectional, ...recurrentConfig } = memory;
      getTpttModel(fixture.checkpoint.model, { recurrentConfig, bidirectional });
    }
    addAdapters(fixture);
    const { grads } = await runWeighed(fixture, adaptersOf(fixture.expected));
    const differences = Object.entries(grads).map(([key, grad]) =>
      relativeDifference(grad, fixture.expected.get(`${kind}_grad.${key}`)!),
    );
    return { [`${kind}_gradients`]: Math.max(...differences) };
  } finally {
    await fixture.frozen.dispose();
  }
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
