import { describe, expect, test } from "vitest";
import { InputError } from "../../../src/errors.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import type { TpttModel } from "../../../src/tptt/tptt-model.js";
import { longTitan, openTitan, randomIds, randomizeParams, rows, vocabSize } from "../titan.js";

const close = { atol: 5e-5, rtol: 1e-4 };

/** The logits after each token of a sequence, from one pass over all of it. */
async function logitsOf(model: TpttModel, ids: readonly number[]): Promise<Float32Array[]> {
  const { logits } = await model.forward({ inputIds: rows([ids]) });
  return ids.map((_, t) => logits.f32.subarray(t * vocabSize, (t + 1) * vocabSize));
}

async function titan(
  name: string,
  { magWeight, ...options }: FromPretrainedOptions = {},
): Promise<TpttModel> {
  const model = await openTitan(name, { loraConfig: { r: 2 }, magWeight: magWeight ?? 0.4, ...options });
  randomizeParams(model);
  return model;
}

describe("decoding gives the logits of one pass over all tokens, wherever the sequence is split", () => {
  const ids = randomIds(19);
  test.each([
    ["llama-gqa", { operatorMode: "delta_rule" }],
    ["llama-gqa", { operatorMode: "delta_rule", disableLinearAttn: true }],
    ["llama-gqa", { operatorMode: "delta_rule", magWeight: 0 }],
    ["llama-gqa", { operatorMode: "delta_rule", magWeight: 1 }],
    ["llama-gqa", { operatorMode: "delta_product" }],
    ["llama-gqa", { operatorMode: "delta_product", magWeight: 1 }],
    ["llama-gqa", { order: 3, alphaGate: "k", trick: "rot" }],
    ["llama-gqa", { operatorMode: "delta_product_c", magWeight: 1 }],
    ["llama-gqa", { operatorMode: "delta_rule_kv", crossGate: true }],
    ["llama-gqa", { operatorMode: "delta_rule_gelu", maxChunkSize: 8 }],
    ["llama-gqa", { operatorMode: "gated_delta_rule", baseScaleAttn: true }],
    ["llama-mha", { order: 3, trick: "dt", alphaGate: "kv", betaGate: "v", linear: false, maxChunkSize: 4 }],
    ["llama-tied-llama3", { operatorMode: "delta_rule", maxSelfAttnLength: 5 }],
    ["gemma3", { operatorMode: "delta_rule" }],
    ["gemma3", { operatorMode: "delta_product_r", magWeight: 1 }],
    ["gemma3-scaled", { operatorMode: "delta_rule", disableLinearAttn: true }],
  ] as [string, FromPretrainedOptions][])("%s, %j", async (name, options) => {
    const model = await titan(name, options);
    const expected = await logitsOf(model, ids);
    for (let cut = 1; cut < ids.length; cut++) {
      const decoder = model.decoder();
      const [first] = await decoder.read([ids.slice(0, cut)]);
      const [last] = await decoder.read([ids.slice(cut)]);
      expect(first!, `before the cut at ${cut}`).toBeCloseToTensor(expected[cut - 1]!, close);
      expect(last!, `after the cut at ${cut}`).toBeCloseToTensor(expected.at(-1)!, close);
    }
    const decoder = model.decoder();
    for (const [t, id] of ids.entries()) {
      const [logits] = await decoder.read([[id]]);
      expect(logits!, `token ${t}`).toBeCloseToTensor(expected[t]!, close);
    }
    expect(decoder.seen).toEqual([ids.length]);
  });
});

test.each(["mixed", "only", "off"])("rows of a batch may be of any lengths (memory %s)", async (mode) => {
  const magWeight = { mixed: 0.4, only: 1, off: 0 }[mode]!;
  const model = await titan("gemma3", { operatorMode: "gated_delta_product", magWeight });
  const texts = [randomIds(90, 1), randomIds(40, 2), randomIds(71, 3)];
  const expected = await Promise.all(texts.map((ids) => logitsOf(model, ids)));
  const decoder = model.decoder(3);
  const counts = [
    [70, 0, 3],
    [1, 0, 0],
    [0, 39, 67],
    [2, 1, 1],
    [17, 0, 0],
  ];
  const seen = [0, 0, 0];
  for (const count of counts) {
    const block = texts.map((ids, row) => ids.slice(seen[row]!, seen[row]! + count[row]!));
    const logits = await decoder.read(block);
    for (const row of [0, 1, 2]) {
      seen[row]! += count[row]!;
      if (count[row] === 0) expect(logits[row]).toBeUndefined();
      else expect(logits[row]!).toBeCloseToTensor(expected[row]![seen[row]! - 1]!, close);
    }
    expect(decoder.seen).toEqual(seen);
  }
  expect(seen).toEqual(texts.map((ids) => ids.length));
});

test.each(["llama-gqa", "gemma3"])("rings grow with the sequence: %s over 600 tokens", async (name) => {
  const model = await longTitan(name, 1024, { operatorMode: "delta_rule" });
  const ids = randomIds(600);
  const expected = await logitsOf(model, ids);
  const decoder = model.decoder();
  let seen = 0;
  for (const count of [200, 55, 1, 1, 254, 1, 1, 87]) {
    const [logits] = await decoder.read([ids.slice(seen, seen + count)]);
    seen += count;
    expect(logits!, `after ${seen}`).toBeCloseToTensor(expected[seen - 1]!, close);
  }
  expect(seen).toBe(ids.length);
});

test.each(["llama-gqa", "gemma3"])("a prompt of any length is read at once: %s", async (name) => {
  const model = await longTitan(name, 1024, { operatorMode: "delta_rule" });
  const ids = randomIds(700);
  const expected = await logitsOf(model, ids);
  // Around the sizes of rings: blocks look back on fewer tokens than there are after them.
  for (const count of [256, 257, 449, 512, 513, 700]) {
    const decoder = model.decoder(2);
    const logits = await decoder.read([ids.slice(0, count), ids.slice(0, count - 200)]);
    const [next] = await decoder.read([ids.slice(count, count + 1), []]);
    expect(logits[0]!, `after ${count}`).toBeCloseToTensor(expected[count - 1]!, close);
    expect(logits[1]!, `after ${count - 200}`).toBeCloseToTensor(expected[count - 201]!, close);
    if (count < ids.length) expect(next!, `after ${count + 1}`).toBeCloseToTensor(expected[count]!, close);
  }
});

test("room that is made at once changes no logits, and is not more than the model's positions", async () => {
  const options = { operatorMode: "delta_rule" } as const;
  const model = await longTitan("llama-gqa", 1024, options);
  const [plain, roomy] = [model.decoder(2), model.decoder(2, 600)];
  // Two rows, and in two layers keys and values of two heads of 12, for 768 tokens more.
  expect(roomy.stateBytes - plain.stateBytes).toBe(4 * 2 * 2 * 2 * 2 * 12 * 768);
  for (const ids of [
    [randomIds(20), randomIds(9)],
    [[3], [4]],
  ]) {
    const expected = await plain.read(ids);
    for (const [i, logits] of (await roomy.read(ids)).entries())
      expect(logits!).toBeCloseToTensor(expected[i]!, close);
  }
  const short = await titan("llama-gqa", options);
  expect(short.decoder(1, 600).stateBytes).toBe(short.decoder().stateBytes);
});

describe("a long reading", () => {
  test.each([
    ["llama-gqa", 0.4],
    ["llama-gqa", 1],
    ["gemma3", 0.4],
  ])(
    "that is stopped between two blocks leaves the decoder as before: %s at mu %d",
    async (name, magWeight) => {
      const model = await longTitan(name, 1024, { operatorMode: "delta_product", magWeight });
      const [before, long, after] = [randomIds(70, 1), randomIds(600, 2), randomIds(20, 3)];
      const undisturbed = model.decoder();
      const decoder = model.decoder();
      for (const told of [undisturbed, decoder]) await told.read([before]);
      const controller = new AbortController();
      const blocks: number[] = [];
      const reading = decoder.read([long], {
        signal: controller.signal,
        onProgress: (tokens) => {
          blocks.push(tokens);
          // As an event that came while the block was read.
          if (blocks.length === 2) setImmediate(() => controller.abort(new Error("enough")));
        },
      });
      await expect(reading).rejects.toThrow("enough");
      expect(blocks).toEqual([256, 512]);
      expect(decoder.seen).toEqual([70]);
      expect(await decoder.read([after])).toEqual(await undisturbed.read([after]));
      expect(await decoder.read([long])).toEqual(await undisturbed.read([long]));
    },
  );

  test("tells after each block how much is read, and comes to its end when nobody stops it", async () => {
    const model = await longTitan("llama-gqa", 1024, { operatorMode: "delta_rule" });
    const [ids, short] = [randomIds(530), randomIds(256)];
    const [plain, watched] = [model.decoder(), model.decoder()];
    const told: number[] = [];
    const options = {
      signal: new AbortController().signal,
      onProgress: (tokens: number) => told.push(tokens),
    };
    expect(await watched.read([ids], options)).toEqual(await plain.read([ids]));
    expect(told).toEqual([256, 512, 530]);
    // A short one comes to its end.
    expect(await watched.read([short], { signal: AbortSignal.abort() })).toEqual(await plain.read([short]));
  });
});

test("with the memory alone the state never grows, and no position is the last", async () => {
  const model = await titan("llama-gqa", { operatorMode: "delta_rule", magWeight: 1 });
  const decoder = model.decoder();
  const before = decoder.stateBytes;
  await decoder.read([randomIds(300)]);
  expect(decoder.stateBytes).toBe(before);
  // Two layers of two heads of 12 x 12, and two raw keys.
  expect(before).toBe(4 * 2 * (2 * 12 * 12 + 2 * 24));
});

test("a sequence longer than the model's positions is refused before anything is read", async () => {
  const model = await titan("llama-gqa", { operatorMode: "delta_rule" });
  const decoder = model.decoder(2);
  await decoder.read([randomIds(128), [1]]);
  const reading = decoder.read([[1], [1]]);
  await expect(reading).rejects.toThrow(
    "length: is 129 tokens, the model knows positions up to 128; shorten",
  );
  await expect(reading).rejects.toBeInstanceOf(InputError);
  expect(decoder.seen).toEqual([128, 1]);
});

test("a decoder keeps the mu and the weights that it began with", async () => {
  const model = await titan("llama-gqa", { operatorMode: "delta_rule" });
  const ids = randomIds(9);
  const expected = await logitsOf(model, ids);
  const decoder = model.decoder();
  await decoder.read([ids.slice(0, 4)]);
  model.magWeight = 1;
  randomizeParams(model, 5);
  await model.forward({ inputIds: rows([ids]) });
  expect((await decoder.read([ids.slice(4)]))[0]!).toBeCloseToTensor(expected.at(-1)!, close);
});

test("a base model's window is not that of the titan it becomes", async () => {
  const model = await titan("llama-gqa", { operatorMode: "delta_rule", maxSelfAttnLength: 3 });
  const ids = randomIds(12);
  await model.forward({ inputIds: rows([ids]) });
  model.disableLinearAttn = true;
  const decoder = model.decoder();
  const [logits] = await decoder.read([ids.slice(0, 11)]);
  const [next] = await decoder.read([ids.slice(11)]);
  const expected = await logitsOf(model, ids);
  expect(logits!).toBeCloseToTensor(expected[10]!, close);
  expect(next!).toBeCloseToTensor(expected[11]!, close);
});

test("memories that look ahead cannot continue a text", async () => {
  const model = await titan("llama-gqa", { operatorMode: "delta_rule", bidirectional: true });
  expect(() => model.decoder()).toThrow("bidirectional: is true: memories that look ahead cannot continue");
  model.disableLinearAttn = true;
  expect(model.decoder().seen).toEqual([0]);
});

test.each([
  ["llama-gqa", 1, 300],
  ["gemma3", 0.4, 300],
  ["llama-tied-llama3", 0.4, 7],
])(
  "a row of another decoder is taken over, wherever it lay: %s at mu %d",
  async (name, magWeight, window) => {
    const model = await longTitan(name, 1024, {
      operatorMode: "delta_product",
      magWeight,
      maxSelfAttnLength: window,
    });
    const texts = [randomIds(20, 1), randomIds(290, 2), randomIds(600, 3)];
    const expected = await Promise.all(texts.map((ids) => logitsOf(model, ids)));
    const from = model.decoder(3);
    await from.read(texts.map((ids) => ids.slice(0, -1)));
    const to = model.decoder(2);
    await to.read([randomIds(400, 4), [5, 6]]);
    expect(to.takesRows).toBe(true);
    for (const row of [2, 0, 1]) {
      await to.takeRow(1, from, row);
      expect(to.seen).toEqual([400, texts[row]!.length - 1]);
      const [other, logits] = await to.read([[], texts[row]!.slice(-1)]);
      expect(other).toBeUndefined();
      expect(logits!, `row ${row}`).toBeCloseToTensor(expected[row]!.at(-1)!, close);
    }
    const whole = [...randomIds(400, 4), 9];
    const [still] = await to.read([[9], []]);
    expect(still!).toBeCloseToTensor((await logitsOf(model, whole)).at(-1)!, close);
  },
);

describe("in the form tptt-0.12", () => {
  const operatorForm = "tptt-0.12";
  const options: [FromPretrainedOptions][] = [
    [{ operatorMode: "delta_rule" }],
    [{ operatorMode: "gated_delta_product", magWeight: 1 }],
    [{ operatorMode: "delta_rule_gelu", maxChunkSize: 4, poolingConfig: { lookahead: true } }],
  ];

  test.each(options)("a prompt is read as a whole, as in a pass over all of it: %j", async (options) => {
    const model = await titan("llama-gqa", { ...options, operatorForm });
    const ids = randomIds(100);
    const [logits] = await model.decoder().read([ids]);
    expect(logits!).toBeCloseToTensor((await logitsOf(model, ids)).at(-1)!, close);
  });

  test("the memory knows nothing of what was read before, as in Python: a token's logits are its own", async () => {
    const model = await titan("llama-gqa", { operatorMode: "delta_rule", magWeight: 1, operatorForm });
    const ids = randomIds(12);
    const decoder = model.decoder();
    await decoder.read([ids]);
    expect(decoder.stateBytes).toBe(0);
    const [after] = await decoder.read([[7]]);
    expect(after!).toEqual((await model.decoder().read([[7]]))[0]!);
    expect(after!).not.toBeCloseToTensor((await logitsOf(model, [...ids, 7])).at(-1)!, { atol: 1e-3 });
  });

  test("rows stay in their decoder", async () => {
    const model = await titan("llama-gqa", { operatorMode: "delta_rule", operatorForm });
    expect(model.decoder().takesRows).toBe(false);
    await expect(model.decoder(2).takeRow(1, model.decoder(), 0)).rejects.toThrow("cannot be moved");
  });

  test("a text begins afresh, whatever was read before", async () => {
    const model = await titan("llama-gqa", { operatorMode: "delta_product", magWeight: 1, operatorForm });
    const ids = randomIds(8);
    const read = async () => {
      const decoder = model.decoder();
      const [first] = await decoder.read([ids]);
      const [second] = await decoder.read([[5]]);
      return { first, second, seen: decoder.linearCache.get(0)?.expandedKeys };
    };
    const { seen, ...before } = await read();
    expect(await read()).toEqual({ seen, ...before });
    expect(seen!.f32.some((x) => x !== 0)).toBe(true);
  });

  test("rows are of one length, or refused before anything is read", async () => {
    const model = await titan("llama-gqa", { operatorMode: "delta_product", operatorForm });
    const texts = [randomIds(9, 1), randomIds(9, 2)];
    const decoder = model.decoder(2);
    for (const [row, logits] of (await decoder.read(texts)).entries())
      expect(logits!).toBeCloseToTensor((await logitsOf(model, texts[row]!)).at(-1)!, close);
    const reading = decoder.read([[1, 2], [3]]);
    await expect(reading).rejects.toThrow(
      "operator_form: is tptt-0.12, which reads rows of one length, not of 1 and 2 tokens; read them one by one",
    );
    await expect(reading).rejects.toBeInstanceOf(InputError);
    expect(decoder.seen).toEqual([9, 9]);
  });

  test("without its memories a titan reads in blocks of any kind", async () => {
    const model = await titan("llama-gqa", { operatorMode: "delta_rule", magWeight: 0, operatorForm });
    const ids = randomIds(19);
    const [logits] = await model.decoder(2).read([ids, ids.slice(3)]);
    expect(logits!).toBeCloseToTensor((await logitsOf(model, ids)).at(-1)!, close);
  });
});
