import { factNeedle, factsText, knowsFactsAlone } from "../data/facts.js";
import { mqarText } from "../data/mqar.js";
import { passkeyText } from "../data/passkey.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { Random } from "../random.js";
import { ratioOfSums } from "./intervals.js";
import { ExactMatchMeter } from "./metrics.js";
import { type Metric, metric, type TaskResult } from "./result.js";
import { type ProbeOptions, type ScoringModel, scoreProbes, type Target } from "./token-scores.js";

/** A question in a text, and which cell of a map it belongs to. */
export interface RecallQuestion {
  /** The tokens of the answer: it is right when each of them is the most likely one. */
  readonly answer: readonly Target[];
  /** Tokens from what is asked for to the question. */
  readonly distance: number;
}

/** A text whose questions can only be answered from what it told before. */
export interface RecallText {
  readonly inputIds: readonly number[];
  readonly questions: readonly RecallQuestion[];
  /** What the text belongs to in a breakdown: its number of pairs, its length. */
  readonly where: Readonly<Record<string, number>>;
}

/** How texts are drawn. */
export interface RecallTextOptions {
  /** Texts of each kind. */
  readonly samples: number;
  readonly seed: number;
  /** Texts about facts in the words of the model that comes with the package; by default where it is that one's tokenizer. */
  readonly facts?: boolean | undefined;
}

/** Options of {@link associativeTexts}. */
export interface AssociativeOptions extends RecallTextOptions {
  /** Numbers of pairs (facts that wait at a time). */
  readonly pairs: readonly number[];
  /** Tokens of a text. */
  readonly length: number;
}

/** Options of {@link needleTexts}. */
export interface NeedleTextOptions extends RecallTextOptions {
  /** Tokens of texts. */
  readonly lengths: readonly number[];
  /** Where the needle lies, from 0 (the start) to 1. */
  readonly depths: readonly number[];
}

/** Words that texts are drawn from at most. */
const mostWords = 2048;

/** Tokens that are words, drawn from the whole vocabulary: letters, maybe with a space before them. */
function wordIds(tokenizer: Tokenizer, random: Random): number[] {
  const words: number[] = [];
  const order = random.shuffle(Uint32Array.from({ length: tokenizer.vocabSize }, (_, id) => id));
  for (const id of order) {
    if (/^ ?\p{L}+$/u.test(tokenizer.decode([id], { skipSpecialTokens: true }))) words.push(id);
    if (words.length === mostWords) break;
  }
  return words;
}

/** Texts of multi-query associative recall ({@link mqarText}), or about facts, for each number of pairs. */
export function associativeTexts(tokenizer: Tokenizer, options: AssociativeOptions): RecallText[] {
  const { pairs: counts, length, samples, seed, facts = knowsFactsAlone(tokenizer) } = options;
  const words = facts ? [] : wordIds(tokenizer, Random.for(seed, "words"));
  const start = tokenizer.encode("");
  return counts.flatMap((pairs) => {
    const random = Random.for(seed, "recall", pairs);
    return Array.from({ length: samples }, (): RecallText => {
      const where = { pairs };
      if (facts) {
        const { inputIds, questions } = factsText(random, { length, near: 6, far: length, waiting: pairs });
        const asked = questions.map(({ position, distance }) => ({
          answer: [{ after: position - 1, token: inputIds[position]! }],
          distance,
        }));
        return { inputIds, questions: asked, where };
      }
      const { inputIds, questions } = mqarText(random, words, { length, pairs, start });
      const asked = questions.map(({ after, value, distance }) => ({
        answer: [{ after, token: value }],
        distance,
      }));
      return { inputIds, questions: asked, where };
    });
  });
}

/** Texts with a needle ({@link passkeyText}, or one fact), for each length and depth. */
export function needleTexts(tokenizer: Tokenizer, options: NeedleTextOptions): RecallText[] {
  const { lengths, depths, samples, seed, facts = knowsFactsAlone(tokenizer) } = options;
  return lengths.flatMap((length) =>
    depths.flatMap((depth) => {
      const random = Random.for(seed, "needle", length, depth);
      return Array.from({ length: samples }, (): RecallText => {
        const at = { length, depth };
        const needle = facts ? factNeedle(random, at) : passkeyText(random, tokenizer, at);
        const { inputIds, answerLength, distance } = needle;
        const answer = Array.from({ length: answerLength }, (_, i) => {
          const position = inputIds.length - answerLength + i;
          return { after: position - 1, token: inputIds[position]! };
        });
        return { inputIds, questions: [{ answer, distance }], where: { length, depth } };
      });
    }),
  );
}

/** How {@link evaluateRecallMap} reads, and what makes its map. */
export interface RecallMapOptions extends ProbeOptions {
  /** What the rows and columns of the map are: a key of the texts' `where`, or `distance`. */
  readonly row: string;
  readonly column: string;
}

/** A cell of a map. */
interface Cell {
  readonly where: Readonly<Record<string, string | number>>;
  readonly meter: ExactMatchMeter;
}

/**
 * How often a model recalls what a text told, at its present mu: overall (`recall`, and `loss`, the mean loss of an answer in
 * nats), by the cells of a map, and by distance in bands that double.
 */
export async function evaluateRecallMap(
  model: ScoringModel,
  texts: readonly RecallText[],
  { row, column, ...options }: RecallMapOptions,
): Promise<TaskResult> {
  const asked = texts.filter(({ questions }) => questions.length > 0);
  const probes = asked.map(({ inputIds, questions }) => ({
    inputIds,
    targets: questions.flatMap(({ answer }) => answer),
  }));
  const scores = await scoreProbes(model, probes, options);
  const total = new ExactMatchMeter();
  const cells = new Map<string, Cell>();
  const countIn = (where: Cell["where"], right: boolean) => {
    const key = JSON.stringify(where);
    const cell = cells.get(key) ?? { where, meter: new ExactMatchMeter() };
    cells.set(key, cell);
    cell.meter.count(right);
  };
  const losses = asked.map(({ questions, where }, i) => {
    let [at, sum] = [0, 0];
    for (const { answer, distance } of questions) {
      const own = scores[i]!.slice(at, at + answer.length);
      at += answer.length;
      const right = own.every(({ greedy }) => greedy);
      for (const { logProb } of own) sum -= logProb;
      const band = distanceBand(distance);
      const all: Cell["where"] = { ...where, distance: band };
      total.count(right);
      countIn({ [row]: all[row]!, [column]: all[column]! }, right);
      countIn({ distance: band }, right);
    }
    return { sum, count: questions.length };
  });
  const breakdown = [...cells.values()].map(
    ({ where, meter }): Metric => metric("recall", meter.estimate(), where),
  );
  return {
    metrics: [metric("recall", total.estimate()), metric("loss", ratioOfSums(losses))],
    breakdown,
    heatMap: { metric: "recall", row, column },
  };
}

/** The band of distances from a power of two up to the next: `32-63`. */
export function distanceBand(distance: number): string {
  const from = 2 ** Math.floor(Math.log2(Math.max(1, distance)));
  return `${from}-${2 * from - 1}`;
}
