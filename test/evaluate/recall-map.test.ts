import { expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import {
  associativeTexts,
  distanceBand,
  evaluateRecallMap,
  needleTexts,
  type RecallText,
} from "../../src/evaluate/recall-map.js";
import type { ScoringModel } from "../../src/evaluate/token-scores.js";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { openWorkspace } from "../cli/workspace.js";

/** Sure of even tokens, and never of odd ones. */
const evenOnly: ScoringModel = {
  encode: async ({ inputIds }) => ({ lastHiddenState: Tensor.zeros("f32", [...inputIds.shape, 1]) }),
  scoreTokens: async ({ targets }) => {
    const even = Array.from({ length: targets.size }, (_, i) => Number(targets.data[i]! as bigint) % 2 === 0);
    const column = (of: (isEven: boolean) => number) => Tensor.f32([even.length], even.map(of));
    return { logProbs: column((e) => (e ? 0 : -2)), greedy: column(Number) };
  },
};

test("answers are counted by the cells of the map and by distance; each of their tokens has to be right", async () => {
  const question = (distance: number, ...tokens: number[]) => ({
    answer: tokens.map((token, i) => ({ after: i, token })),
    distance,
  });
  const texts: RecallText[] = [
    { inputIds: [1, 2, 3], questions: [question(9, 2), question(3, 4, 6)], where: { pairs: 4 } },
    { inputIds: [1, 2], questions: [question(12, 4, 5), question(8, 3)], where: { pairs: 2 } },
    { inputIds: [1], questions: [], where: { pairs: 8 } },
  ];
  const axes = { row: "pairs", column: "distance" };
  const { metrics, breakdown, heatMap } = await evaluateRecallMap(evenOnly, texts, { batchSize: 2, ...axes });
  expect(heatMap).toEqual({ metric: "recall", ...axes });
  expect(metrics).toMatchObject([
    { name: "recall", value: 2 / 4, count: 4, method: "wilson" },
    { name: "loss", value: (0 + 0 + 2 + 2) / 4, count: 4, method: "ratio" },
  ]);
  const cells = Object.fromEntries(
    breakdown!.map(({ where, value, count }) => [JSON.stringify(where), [value, count]]),
  );
  expect(cells).toEqual({
    '{"pairs":4,"distance":"8-15"}': [1, 1],
    '{"pairs":4,"distance":"2-3"}': [1, 1],
    '{"pairs":2,"distance":"8-15"}': [0, 2],
    '{"distance":"8-15"}': [1 / 3, 3],
    '{"distance":"2-3"}': [1, 1],
  });
});

test.each([
  [1, "1-1"],
  [31, "16-31"],
  [32, "32-63"],
])("a distance of %d lies in the band %s", (distance, band) => {
  expect(distanceBand(distance)).toBe(band);
});

const letters = async () => Tokenizer.fromFolder((await openWorkspace()).model);
const demos = () => Tokenizer.fromFolder("assets/tiny");

test("associative recall is asked in words of the tokenizer, or about facts where it knows no others", async () => {
  const tokenizer = await letters();
  const options = { pairs: [4, 8], length: 64, samples: 3, seed: 1 };
  const texts = associativeTexts(tokenizer, options);
  expect(texts.map(({ where, questions }) => [where.pairs, questions.length])).toEqual([
    ...Array(3).fill([4, 4]),
    ...Array(3).fill([8, 8]),
  ]);
  for (const { inputIds, questions } of texts) {
    expect(inputIds).toHaveLength(64);
    expect(inputIds[0]).toBe(tokenizer.bosId);
    expect(tokenizer.decode(inputIds.slice(1))).toMatch(/^[A-Za-z]+$/);
    for (const { answer, distance } of questions) {
      const [{ after, token }] = answer as [{ after: number; token: number }];
      // The key stood before the value, so many tokens back.
      expect(inputIds[after - distance]).toBe(token);
      expect(inputIds[after - distance - 1]).toBe(inputIds[after]);
    }
  }
  expect(associativeTexts(tokenizer, options)).toEqual(texts);
  expect(associativeTexts(tokenizer, { ...options, seed: 2 })).not.toEqual(texts);

  const facts = await demos();
  const [text] = associativeTexts(facts, options);
  expect(facts.decode(text!.inputIds, { skipSpecialTokens: true })).toMatch(
    /^(?:\w+ \w+ \.|the \w+ \w+ \w+ \w+ \.)/,
  );
});

test("needles lie where they are wanted, and end in their answer", async () => {
  const options = { lengths: [200, 400], depths: [0, 0.5, 1], samples: 2, seed: 1 };
  const cases = [
    { tokenizer: await letters(), isFacts: false },
    { tokenizer: await demos(), isFacts: true },
  ];
  for (const { tokenizer, isFacts } of cases) {
    const texts = needleTexts(tokenizer, options);
    expect(texts).toHaveLength(12);
    for (const { inputIds, questions, where } of texts) {
      const [{ answer, distance }] = questions as [(typeof questions)[number]];
      const written = answer.map(({ token }) => token);
      expect(inputIds.slice(-written.length)).toEqual(written);
      expect(answer[0]!.after).toBe(inputIds.length - written.length - 1);
      // A sentence more would not fit.
      const length = inputIds.length - written.length;
      expect(length).toBeLessThanOrEqual(where.length!);
      expect(length).toBeGreaterThan(where.length! - 30);
      // Right before the question, or everything but the needle and its two neighbours between.
      const question = isFacts ? 2 : " What is the pass key? The pass key is".length;
      const [nearest, farthest] = [question, length - (isFacts ? 2 : 35)];
      if (where.depth === 1) expect(distance).toBe(nearest);
      if (where.depth === 0.5) expect(Math.abs(distance - length / 2)).toBeLessThan(70);
      if (where.depth === 0) expect(distance).toBeGreaterThan(farthest - 60);
    }
  }
  const [first] = needleTexts(await letters(), options);
  const text = (await letters()).decode(first!.inputIds, { skipSpecialTokens: true });
  const [, key] = /^ The pass key is (\d{5})\. Remember it\. /.exec(text)!;
  expect(text).toMatch(
    new RegExp(` ${key} is the pass key\\. .* What is the pass key\\? The pass key is ${key}$`),
  );
});
