import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { diffuseTokens } from "../../src/generate/diffusion.js";
import { Random } from "../../src/random.js";
import type { GenerateOptions } from "../../src/tptt/text-generation.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";
import { openTitan, randomizeParams, rows, vocabSize } from "./titan.js";

const deltaRule = { operatorMode: "delta_rule" } as const;

describe("generating text", () => {
  /** A tiny model with a tokenizer, of which one character is one token. */
  async function talking(fields: object = {}, fixture = "llama-gqa"): Promise<TpttModel> {
    const folder = await temporaryFolder();
    await cp(fixtureFolder(fixture), folder, { recursive: true });
    const tokenizer = fixtureFolder("../tokenizers/gpt2");
    for (const file of ["tokenizer.json", "tokenizer_config.json"])
      await cp(join(tokenizer, file), join(folder, file));
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, eos_token_id: 95, ...fields }));
    const model = await TpttModel.fromPretrained(folder, { ...deltaRule, loraConfig: { r: 2 } });
    onTestFinished(() => model.dispose());
    randomizeParams(model);
    return model;
  }
  const prompt = "XQZ";

  test("takes the likeliest token at temperature 0", async () => {
    const model = await talking();
    const ids = model.tokenizer!.encode(prompt);
    for (let i = 0; i < 6; i++) {
      const { logits } = await model.forward({ inputIds: rows([ids]) });
      const last = logits.f32.subarray((ids.length - 1) * vocabSize);
      ids.push(last.indexOf(Math.max(...last)));
    }
    expect(await model.generate({ prompt, maxNewTokens: 6 })).toBe(model.tokenizer!.decode(ids.slice(3)));
  });

  test("is fixed by its seed, and leaves the weights alone", async () => {
    const model = await talking();
    const before = structuredClone(Object.values(model.params).map(({ f32 }) => f32));
    const text = (seed: number) =>
      model.generate({ prompt, maxNewTokens: 24, temperature: 1, topK: 40, topP: 0.95, seed });
    const first = await text(1);
    expect(await text(1)).toBe(first);
    expect(await text(2)).not.toBe(first);
    expect(Object.values(model.params).map(({ f32 }) => f32)).toEqual(before);
  });

  test("ends at a token that ends a text, which is not given out", async () => {
    const model = await talking();
    const whole = await model.generate({ prompt, maxNewTokens: 8 });
    const ids = model.tokenizer!.encode(whole);
    const stop = ids.findIndex((id, i) => i > 0 && !ids.slice(0, i).includes(id));
    const stopping = await talking({ eos_token_id: [95, ids[stop]!] });
    expect(stopping.eosTokenIds).toEqual([95, ids[stop]]);
    expect(await stopping.generate({ prompt, maxNewTokens: 8 })).toBe(
      model.tokenizer!.decode(ids.slice(0, stop)),
    );
  });

  test("streams the text in pieces", async () => {
    const model = await talking();
    const pieces: string[] = [];
    for await (const piece of model.stream({ prompt, maxNewTokens: 8 })) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(await model.generate({ prompt, maxNewTokens: 8 }));
  });

  test.each([
    [{ prompt: "" }, "prompt: is empty, expected at least one token"],
    [{ prompt, maxNewTokens: 126 }, undefined],
    [
      { prompt, maxNewTokens: 127 },
      "max_new_tokens: is 127, the prompt's 3 tokens leave 126 of the model's 128 positions",
    ],
    [
      { prompt: prompt.repeat(43) },
      "prompt: has 129 tokens, the model knows positions up to 128; shorten it",
    ],
    [{ prompt, temperature: -1 }, "temperature"],
    [{ prompt, topP: 2 }, "top_p"],
  ] as [GenerateOptions, string | undefined][])("%j gives the error %s", async (options, message) => {
    const model = await talking({ eos_token_id: 2_000 });
    const generating = model.generate(options);
    if (message === undefined) await expect(generating).resolves.toEqual(expect.any(String));
    else {
      await expect(generating).rejects.toThrow(message);
      await expect(generating).rejects.toBeInstanceOf(InputError);
    }
  });

  test.each([{ steps: 4 }, { alg: "entropy" as const }, { algTemp: 1 }, { eps: 0.1 }])(
    "%j is refused where tokens are written in order",
    async (schedule) => {
      const model = await talking();
      await expect(model.generate({ prompt, ...schedule })).rejects.toThrow(
        /^(steps|alg|alg_temp|eps): is .*, which is for models that write by diffusion/,
      );
    },
  );

  describe("by diffusion", () => {
    test("gives what stands before the first token that ends a text", async () => {
      const model = await talking({}, "dream");
      const read = async (ids: readonly number[]) =>
        (await model.forward({ inputIds: rows([ids]) })).logits.f32;
      const ids = model.tokenizer!.encode(prompt);
      const options = { maxNewTokens: 10, steps: 4, alg: "topk_margin" } as const;
      const all = { ...options, maskTokenId: model.maskTokenId!, temperature: 0 };
      const written = (await diffuseTokens(read, ids, all, new Random(0))).slice(ids.length);
      const stop = written.findIndex((id, i) => i > 0 && !written.slice(0, i).includes(id));
      const stopping = await talking({ eos_token_id: written[stop]! }, "dream");
      const seen: number[] = [];
      const text = await stopping.generate({ prompt, ...options, onToken: (id) => seen.push(id) });
      expect(seen).toEqual(written.slice(0, stop));
      expect(text).toBe(stopping.tokenizer!.decode(seen));
    });

    test("is fixed by its seed", async () => {
      const model = await talking({ eos_token_id: 2_000 }, "dream");
      const text = (seed: number) =>
        model.generate({ prompt, maxNewTokens: 24, temperature: 1, alg: "origin", seed });
      const first = await text(1);
      expect(await text(1)).toBe(first);
      expect(await text(2)).not.toBe(first);
    });

    test("every new token needs a position", async () => {
      const model = await talking({}, "dream");
      await expect(model.generate({ prompt, maxNewTokens: 126 })).rejects.toThrow(
        "max_new_tokens: is 126, the prompt's 3 tokens leave 125 of the model's 128 positions",
      );
      await expect(model.generate({ prompt, steps: 0 })).rejects.toThrow("steps: is 0");
    });

    test("nothing can be read in pieces", async () => {
      const model = await openTitan("dream", deltaRule);
      expect(() => model.decoder()).toThrow("model_type: is Dream, whose tokens see those after them");
    });
  });

  test("needs a tokenizer", async () => {
    const model = await openTitan("llama-gqa", deltaRule);
    await expect(model.generate({ prompt })).rejects.toThrow(
      /llama-gqa: has no tokenizer; add tokenizer.json/,
    );
  });
});
