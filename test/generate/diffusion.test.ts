import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { type DiffusionOptions, diffuseTokens } from "../../src/generate/diffusion.js";
import { Random } from "../../src/random.js";
import { fixtureFolder } from "../models/fixture.js";
import { openTitan, rows } from "../tptt/titan.js";

/** What interop/reference/dream.py decodes; the code of Dream's authors gives the same. */
interface Generated {
  readonly prompt: readonly number[];
  readonly alg: DiffusionOptions["alg"];
  readonly max_new_tokens: number;
  readonly steps: number;
  readonly eps?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly ids: readonly number[];
}

test("writes what the reference does, for every algorithm that draws nothing", async () => {
  const generated = JSON.parse(
    await readFile(`${fixtureFolder("dream")}/generated.json`, "utf8"),
  ) as Generated[];
  const model = await openTitan("dream", { disableLinearAttn: true });
  const read = async (ids: readonly number[]) => (await model.forward({ inputIds: rows([ids]) })).logits.f32;
  expect(new Set(generated.map(({ alg }) => alg)).size).toBe(3);
  for (const { prompt, ids, alg, steps, eps, max_new_tokens, top_p, top_k } of generated) {
    const sampling = { temperature: 0, topP: top_p, topK: top_k };
    const options = { maskTokenId: model.maskTokenId!, maxNewTokens: max_new_tokens, alg, steps, eps };
    const found = await diffuseTokens(read, prompt, { ...sampling, ...options }, new Random(0));
    expect(found, `${alg}, ${steps} steps`).toEqual(ids);
  }
});

const mask = 9;
const vocab = 10;
const draws = 4000;
// Three standard errors of a share.
const tolerance = { rtol: 0, atol: (3 * 0.5) / Math.sqrt(draws) };

/** A model that gives the same probabilities, of tokens 0, 1, .., after the token at each place; counts its calls. */
function fake(...probabilities: number[][]) {
  const seen: number[][] = [];
  const read = async (ids: readonly number[]) => {
    seen.push([...ids]);
    const logits = new Float32Array(ids.length * vocab).fill(-1e9);
    for (const place of ids.keys())
      for (const [token, p] of (probabilities[place] ?? probabilities.at(-1)!).entries())
        logits[place * vocab + token] = Math.log(p);
    return logits;
  };
  return { read, seen };
}

const greedy = { maskTokenId: mask, maxNewTokens: 2, temperature: 0 };

describe("a step", () => {
  test("fills a place with what the logits after the token before it say, the first with its own", async () => {
    const { read } = fake([0.9, 0.1], [0.1, 0.9], [0.2, 0.1, 0.7]);
    const options = { ...greedy, maxNewTokens: 1, steps: 1 };
    expect(await diffuseTokens(read, [mask, mask, 5], options, new Random(0))).toEqual([0, 0, 5, 2]);
  });

  test("reads nothing when it keeps nothing", async () => {
    const { read, seen } = fake([0.9, 0.1]);
    const ids = await diffuseTokens(read, [3], { ...greedy, maxNewTokens: 4, steps: 100 }, new Random(0));
    expect(ids).toEqual([3, 0, 0, 0, 0]);
    // The first is kept when a step's share of the four is 1 at last, three steps before the end.
    expect(seen.map((ids) => ids.filter((id) => id === mask).length)).toEqual([4, 3, 2]);
  });

  test.each([
    ["maskgit_plus", [0.5, 0.45], [0.46, 0.18, 0.18, 0.18], 1],
    ["topk_margin", [0.5, 0.45, 0.05], [0.46, 0.18, 0.18, 0.18], 2],
    ["entropy", [0.5, 0.5 - 1e-9], [0.6, 0.1, 0.1, 0.1, 0.1], 1],
  ] as const)("of %s keeps the surest guess", async (alg, first, second, kept) => {
    const { read, seen } = fake([...first], [...second]);
    await diffuseTokens(read, [3], { ...greedy, alg, steps: 2, eps: 0 }, new Random(0));
    expect(seen[1]!.indexOf(mask)).toBe(3 - kept);
  });

  test("of origin keeps each guess with the chance that its time gives", async () => {
    const { read, seen } = fake([0.9, 0.1]);
    const options = { ...greedy, maxNewTokens: draws, alg: "origin", steps: 2, eps: 0.2 } as const;
    const ids = await diffuseTokens(read, [3], options, new Random(1));
    expect(ids).toEqual([3, ...Array<number>(draws).fill(0)]);
    // From time 1 to 0.6.
    const left = seen[1]!.filter((id) => id === mask).length;
    expect([left / draws]).toBeCloseToTensor([0.6], tolerance);
  });

  test("at an algTemp keeps guesses drawn by the softmax of their sureness", async () => {
    const random = new Random(2);
    const options = { ...greedy, alg: "maskgit_plus", algTemp: 0.2, steps: 2, eps: 0 } as const;
    let first = 0;
    for (let run = 0; run < draws; run++) {
      const { read, seen } = fake([0.9, 0.1], [0.6, 0.4]);
      await diffuseTokens(read, [3], options, random);
      if (seen[1]![1] !== mask) first++;
    }
    expect([first / draws]).toBeCloseToTensor([1 / (1 + Math.exp((0.6 - 0.9) / 0.2))], tolerance);
  });

  test("at a temperature draws tokens, first cut by their probability and then by their number", async () => {
    const { read } = fake([0.4, 0.3, 0.2, 0.1]);
    const options = { ...greedy, maxNewTokens: draws, steps: 1, temperature: 1, topP: 0.5, topK: 2 };
    const ids = await diffuseTokens(read, [3], options, new Random(3));
    const share = (token: number) => ids.filter((id) => id === token).length / draws;
    expect([share(0), share(1)]).toBeCloseToTensor([4 / 7, 3 / 7], tolerance);
  });
});

test.each([
  [{ maxNewTokens: 0 }, "max_new_tokens: is 0, expected an integer of at least 1"],
  [{ steps: 1.5 }, "steps: is 1.5, expected an integer of at least 1"],
  [
    { alg: "surest" as "entropy" },
    "alg: is surest, expected one of origin, maskgit_plus, topk_margin, entropy",
  ],
  [{ algTemp: -1 }, "alg_temp: is -1, expected a number of at least 0"],
  [{ eps: 1 }, "eps: is 1, expected a number of at least 0 and below 1"],
  [{ topP: 0 }, "top_p: is 0"],
])("%j is refused", async (options, message) => {
  const { read } = fake([1]);
  await expect(diffuseTokens(read, [3], { ...greedy, ...options }, new Random(0))).rejects.toThrow(message);
});
