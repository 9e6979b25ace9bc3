import { add, compile, mul, sum, type Tensor, type Value, valueAndGrad } from "../../src/engine/index.js";
import type { Backbone } from "../../src/models/backbone.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import type { Linear } from "../../src/nn/layers.js";
import { LoraLinear } from "../../src/nn/lora.js";
import { nameParameters } from "../../src/nn/module.js";
import { barePath } from "../../src/tptt/config/lora-targets.js";
import { adaptersOf, type Fixture, toBool, typeOf } from "./fixture.js";

/** Puts LoRA where the fixture has it, under the names that it has in the plain model. */
export function addAdapters({ checkpoint, expected }: Fixture): void {
  const { model } = checkpoint;
  const adapters = adaptersOf(expected);
  for (const [path, module] of [...model.namedModules()]) {
    const target = `${barePath(path)}.lora_A.weight`;
    if (target in adapters && !(module instanceof LoraLinear))
      model.set(path, new LoraLinear(module as Linear, 4, 8 / 4));
  }
  for (const [path, parameter] of model.namedParameters()) parameter.name ||= barePath(path);
  nameParameters(model);
}

/** The outputs of a model, and the gradients of their sum, weighed as the fixture says. */
export async function runWeighed(
  { checkpoint, frozen, expected }: Fixture,
  params: Readonly<Record<string, Tensor>>,
  checkpointing = false,
) {
  const { model } = checkpoint;
  const feeds = inputsOf(model, expected);
  const weights = ["last_hidden_state", "pooler_output"].flatMap(
    (name) => expected.get(`weight.${name}`) ?? [],
  );
  const tensors = { ...feeds, weights };
  const step = await compile(
    valueAndGrad(({ input, mask, tokenTypeIds, weights }: Traced) => {
      const [batch, length] = [input.shape[0]!, model.sequenceLength(input.shape)];
      const context = new ForwardContext({ batch, length, mask, causal: model.causal, checkpointing });
      const hidden = model.forward(input, context, tokenTypeIds);
      const outputs = [hidden, ...[model.pool(hidden) ?? []].flat()];
      return { value: outputs.map((x, i) => sum(mul(x, weights[i]!))).reduce(add), outputs };
    }),
    {
      inputs: { ...mapValues(feeds, typeOf), weights: weights.map(typeOf) } as never,
      frozen,
      threads: 1,
    },
  );
  const result = (await step.run({ ...tensors, params } as never)) as unknown as {
    value: Tensor;
    outputs: Tensor[];
    grads: Record<string, Tensor>;
  };
  await step.release();
  return { ...result, value: result.value.item() };
}

interface Traced {
  readonly input: Value;
  readonly mask?: Value;
  readonly tokenTypeIds?: Value;
  readonly weights: readonly Value[];
}

function inputsOf(model: Backbone, expected: Fixture["expected"]): Record<string, Tensor> {
  if (model.inputs[0] === "pixelValues") return { input: expected.get("pixel_values")! };
  return {
    input: expected.get("input_ids")!,
    mask: toBool(expected.get("attention_mask")!),
    tokenTypeIds: expected.get("token_type_ids")!,
  };
}

const mapValues = <A, B>(of: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(of).map(([key, value]) => [key, f(value)]));
