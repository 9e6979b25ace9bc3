import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { gradients, mul, sum, Tensor, type Value } from "../../../src/engine/index.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import { nameParameters } from "../../../src/nn/module.js";
import { Random } from "../../../src/random.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { MemoryAsGate } from "../../../src/tptt/layer/memory-as-gate.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { temporaryFolder } from "../../models/fixture.js";
import { dot, learnedMu, type Matrix } from "../memory/reference.js";
import { centralDifferences, draw, evaluate, expectClose, tensorOf } from "../memory/run.js";
import { openTitan, randomIds, randomizeParams, rows, vocabSize } from "../titan.js";

const hiddenDim = 3;
const length = 20;
const random = Random.for(7, "gate");
const x = draw(random, [length, hiddenDim]) as Matrix;
const kernel = draw(random, [hiddenDim, 16], () => 0.4 * random.normal()) as Matrix;
const bias = 0.3;

function learnedGate() {
  const gate = new MemoryAsGate({ hiddenDim, mode: "dynamic" });
  nameParameters(gate);
  return gate;
}
const params = {
  "dynamic_gate.conv1d.weight": tensorOf([kernel]),
  "dynamic_gate.conv1d.bias": tensorOf([bias]),
};

describe("a learned mu", () => {
  test("is what the loops give, and so is its gradient", async () => {
    const gate = learnedGate();
    const { weight, bias: b } = gate.dynamic_gate!.conv1d;
    const g = draw(Random.for(8, "g"), [length]) as number[];
    const found = await evaluate(
      ({ x, g }) => {
        const mu = gate.forward(x).value;
        const [gx, gw, gb] = gradients(sum(mul(mu, g)), [x, weight, b]);
        return { mu, gx: gx!, gw: gw!, gb: gb! };
      },
      { x: tensorOf([x]), g: tensorOf([g.map((value) => [value])]) },
      params,
    );
    expect(found.mu.shape).toEqual([1, length, 1]);
    expectClose(found.mu, learnedMu(x, kernel, bias), 1e-6);
    const loss = (x: Matrix, kernel: Matrix, bias: number) => dot(learnedMu(x, kernel, bias), g);
    expectClose(
      found.gx,
      centralDifferences(x, (x) => loss(x, kernel, bias)),
    );
    expectClose(
      found.gw,
      centralDifferences(kernel, (kernel) => loss(x, kernel, bias)),
    );
    expectClose(
      found.gb,
      centralDifferences(bias, (bias) => loss(x, kernel, bias)),
    );
  });

  test("is the same in pieces and beside padding", async () => {
    const gate = learnedGate();
    const piece = (x: Value, seen: Value, past: Value, mask?: Value) =>
      gate.forward(
        x,
        new ForwardContext({ batch: 1, length: x.shape[1]!, mask, past: { seen, layers: [] } }),
        past,
      );
    const noise = [0, 1].map(() => [50, -50, 50]);
    const real = Array<number>(4).fill(1);
    const { first, second, third } = await evaluate(
      ({ a, b, c, before, seen, mask }) => {
        const first = piece(a, seen, before);
        const second = piece(b, seen, first.tail!, mask);
        return { first: first.value, second: second.value, third: piece(c, seen, second.tail!).value };
      },
      {
        a: tensorOf([x.slice(0, 7)]),
        b: tensorOf([[...noise, ...x.slice(7, 11), ...noise]]),
        c: tensorOf([x.slice(11)]),
        before: Tensor.zeros("f32", [1, 15, hiddenDim]),
        seen: Tensor.int64([1], [7]),
        mask: new Tensor("bool", [1, 8], Uint8Array.from([0, 0, ...real, 0, 0])),
      },
      params,
    );
    expect([...first.f32, ...second.f32.subarray(2, 6), ...third.f32]).toBeCloseToTensor(
      learnedMu(x, kernel, bias),
    );
  });
});

test("a constant mu is its ratio for every token; a dynamic one must know its input", async () => {
  const gate = new MemoryAsGate({ magRatio: 0.25 });
  expect(gate.memoryOnly).toBe(false);
  expect(new MemoryAsGate({ magRatio: 1 }).memoryOnly).toBe(true);
  const { mu } = await evaluate(({ x }) => ({ mu: gate.forward(x).value }), { x: tensorOf([x]) });
  expect([...mu.f32]).toEqual([0.25]);
  expect(() => new MemoryAsGate({ mode: "dynamic" })).toThrow("hidden_dim: is not given");
});

describe("a titan with learned gates", () => {
  const dynamic = { operatorMode: "delta_product", magMode: "dynamic" } as const;
  const ids = randomIds(40);
  const titan = async (options: FromPretrainedOptions = {}, name = "llama-gqa") => {
    const model = await openTitan(name, { ...dynamic, ...options });
    randomizeParams(model, 0, 0.2);
    return model;
  };
  const rowOf = (logits: Tensor, t: number) => logits.f32.subarray(t * vocabSize, (t + 1) * vocabSize);

  test("begins near mu = 0.5", async () => {
    const model = await openTitan("llama-gqa", dynamic);
    const constant = await openTitan("llama-gqa", { operatorMode: "delta_product", magWeight: 0.5 });
    const { logits } = await model.forward({ inputIds: rows([ids]) });
    const expected = (await constant.forward({ inputIds: rows([ids]) })).logits;
    const spread = Math.max(...expected.f32.map(Math.abs));
    expect(logits).toBeCloseToTensor(expected, { atol: 0.05 * spread, rtol: 0 });
    expect(logits.f32).not.toEqual(expected.f32);
  });

  test.each([{}, { crossGate: true, baseScaleAttn: true, loraConfig: { r: 2 } }])(
    "decodes as it reads whole sequences: %j",
    async (options) => {
      const model = await titan(options);
      const { logits } = await model.forward({ inputIds: rows([ids]) });
      for (const cut of [1, 9, 16, 31]) {
        const decoder = model.decoder();
        const [first] = await decoder.read([ids.slice(0, cut)]);
        const [next] = await decoder.read([ids.slice(cut, cut + 1)]);
        const [last] = await decoder.read([ids.slice(cut + 1)]);
        expect(first!, `cut ${cut}`).toBeCloseToTensor(rowOf(logits, cut - 1), { atol: 5e-5 });
        expect(next!, `cut ${cut}`).toBeCloseToTensor(rowOf(logits, cut), { atol: 5e-5 });
        expect(last!, `cut ${cut}`).toBeCloseToTensor(rowOf(logits, ids.length - 1), { atol: 5e-5 });
      }
    },
  );

  test("decodes rows of any lengths", async () => {
    const model = await titan({}, "gemma3");
    const texts = [ids.slice(0, 30), randomIds(12, 2)];
    const decoder = model.decoder(2);
    await decoder.read([texts[0]!.slice(0, 3), texts[1]!.slice(0, 11)]);
    await decoder.read([texts[0]!.slice(3, 4), []]);
    const found = await decoder.read([texts[0]!.slice(4), texts[1]!.slice(11)]);
    for (const [i, text] of texts.entries()) {
      const { logits } = await model.forward({ inputIds: rows([text]) });
      expect(found[i]!).toBeCloseToTensor(rowOf(logits, text.length - 1), { atol: 5e-5 });
    }
  });

  test("reads padded sequences as others", async () => {
    const model = await titan();
    const text = ids.slice(0, 20);
    const { logits } = await model.forward({ inputIds: rows([text]) });
    const [pads, zeros, ones] = [9, 0, 1].map((value, i) => Array<number>(i === 2 ? 20 : 6).fill(value)) as [
      number[],
      number[],
      number[],
    ];
    const padded = await model.forward({
      inputIds: rows([
        [...pads, ...text],
        [...text, ...pads],
      ]),
      attentionMask: rows([
        [...zeros, ...ones],
        [...ones, ...zeros],
      ]),
    });
    const from = (start: number) => padded.logits.f32.subarray(start * vocabSize, (start + 20) * vocabSize);
    expect(from(6)).toBeCloseToTensor(logits, { atol: 2e-5 });
    expect(from(26)).toBeCloseToTensor(logits, { atol: 2e-5 });
  });

  test("trains its gates, with LoRA and without, and with checkpointing alike", async () => {
    const names = [0, 1].flatMap((i) =>
      ["weight", "bias"].map((part) => `model.layers.${i}.self_attn.memory_gate.dynamic_gate.conv1d.${part}`),
    );
    expect((await titan()).trainable.map(({ name }) => name)).toEqual(names);
    const model = await titan({ loraConfig: { r: 2 } });
    expect(model.trainable.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    const batch = { inputIds: rows([ids]), labels: rows([ids]) };
    const { grads, lossSum } = await model.lossAndGrad(batch);
    const again = await model.lossAndGrad(batch, { checkpointing: true });
    expect(again.lossSum).toBeCloseTo(lossSum, 3);
    const { params } = model;
    for (const name of names) {
      expect(again.grads[name]!, name).toBeCloseToTensor(grads[name]!, { rtol: 1e-4, atol: 1e-4 });
      const lossAt = async (step: number) => {
        const moved = params[name]!.f32.map((value, i) => value + step * grads[name]!.f32[i]!);
        model.params = { ...params, [name]: Tensor.f32(params[name]!.shape, moved) };
        return (await model.loss(batch)).lossSum;
      };
      const square = grads[name]!.f32.reduce((sum, g) => sum + g * g, 0);
      const step = 0.02 / Math.sqrt(square);
      const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      expect(slope / square, name).toBeCloseTo(1, 1);
    }
  });

  test.each([undefined, { r: 2 }])("is saved and loaded, LoRA %j", async (loraConfig) => {
    const model = await titan(loraConfig ? { loraConfig } : {});
    const folder = await temporaryFolder();
    await model.savePretrained(folder);
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toMatchObject({
      mag_mode: "dynamic",
    });
    const again = await TpttModel.fromPretrained(folder);
    onTestFinished(() => again.dispose());
    expect(again.trainable.map(({ name }) => name)).toEqual(model.trainable.map(({ name }) => name));
    const { logits } = await model.forward({ inputIds: rows([ids]) });
    expect((await again.forward({ inputIds: rows([ids]) })).logits.f32).toEqual(logits.f32);
  });

  test("has no mu to be set", async () => {
    const model = await titan();
    expect(() => {
      model.magWeight = 1;
    }).toThrow("mag_weight: cannot be set: mag_mode is dynamic, so mu is learned");
    expect(model.memoryMode).toBe("mixed");
    model.disableLinearAttn = true;
    expect(model.memoryMode).toBe("off");
  });
});
