import { choicePrompt } from "../data/prompt.js";
import { type ChoiceRecord, choiceLetters } from "../data/record.js";
import { encodeContinuation, type TokenizerLike } from "../data/tokenize.js";
import { keepEnds } from "./keep-ends.js";
import { ExactMatchMeter } from "./metrics.js";
import { metric, type TaskResult } from "./result.js";
import { type Probe, type ProbeOptions, type ScoringModel, scoreProbes } from "./token-scores.js";

/** What the model chooses between: the letters of MMLU's prompt, or the texts of the choices after the question alone. */
export const choiceForms = ["letter", "text"] as const;
/** One of {@link choiceForms}. */
export type ChoiceForm = (typeof choiceForms)[number];

/** Options of {@link evaluateMultipleChoice}. */
export interface MultipleChoiceOptions extends ProbeOptions {
  /** Longest question with a choice, in tokens; of a longer one the start is cut off. */
  readonly maxLength: number;
  /** Default `letter`. */
  readonly form?: ChoiceForm;
}

/** Where the tokens of a choice are asked about: a text, and which of its targets. */
interface ChoiceProbe {
  readonly probe: number;
  readonly first: number;
  readonly length: number;
  /** Characters of the choice, to normalise by. */
  readonly characters: number;
}

/**
 * Questions whose answer is the choice of the highest likelihood given the question: `accuracy` by the sum of the log
 * probabilities of a choice's tokens, `accuracy_normalized` by that sum for each character of the choice, as `acc` and
 * `acc_norm` of LightEval and the evaluation harness. Of equal ones the first is taken. By subject, where records name theirs.
 */
export async function evaluateMultipleChoice(
  model: ScoringModel,
  records: readonly ChoiceRecord[],
  tokenizer: TokenizerLike,
  { maxLength, form = "letter", ...options }: MultipleChoiceOptions,
): Promise<TaskResult> {
  const probes: Probe[] = [];
  let cut = 0;
  const asked = records.map((record) => {
    const question = new QuestionProbes(probes.length);
    for (const [prompt, continuation] of continuations(record, form)) {
      const { inputIds, promptLength } = encodeContinuation(prompt, continuation, tokenizer);
      if (inputIds.length > maxLength) cut++;
      question.add(inputIds, inputIds.length - promptLength, maxLength, [...continuation].length - 1);
    }
    probes.push(...question.probes);
    return question.choices;
  });
  const scores = await scoreProbes(model, probes, options);
  const total = { plain: new ExactMatchMeter(), normalized: new ExactMatchMeter() };
  const bySubject = new Map<string, typeof total>();
  for (const [i, { answer, subject }] of records.entries()) {
    const likelihoods = asked[i]!.map(({ probe, first, length }) =>
      scores[probe]!.slice(first, first + length).reduce((sum, { logProb }) => sum + logProb, 0),
    );
    const plain = indexOfHighest(likelihoods) === answer;
    const perCharacter = likelihoods.map((sum, choice) => sum / asked[i]![choice]!.characters);
    const normalized = indexOfHighest(perCharacter) === answer;
    const meters = [total];
    if (subject !== undefined) {
      const own = bySubject.get(subject) ?? {
        plain: new ExactMatchMeter(),
        normalized: new ExactMatchMeter(),
      };
      bySubject.set(subject, own);
      meters.push(own);
    }
    for (const meter of meters) {
      meter.plain.count(plain);
      meter.normalized.count(normalized);
    }
  }
  const metricsOf = ({ plain, normalized }: typeof total, where?: { subject: string }) => [
    metric("accuracy", plain.estimate(), where),
    metric("accuracy_normalized", normalized.estimate(), where),
  ];
  const chance = records.reduce((sum, { choices }) => sum + 1 / choices.length, 0) / records.length;
  return {
    metrics: metricsOf(total),
    ...(bySubject.size > 0
      ? { breakdown: [...bySubject].flatMap(([subject, meters]) => metricsOf(meters, { subject })) }
      : {}),
    notes: { chance, choices_cut: cut },
  };
}

/** Each choice as what is read before it, and what it is. */
function continuations(record: ChoiceRecord, form: ChoiceForm): [prompt: string, continuation: string][] {
  const { question, choices } = record;
  if (form === "text") return choices.map((choice) => [`Question: ${question}\nAnswer:`, ` ${choice}`]);
  const { prompt } = choicePrompt(record);
  return choices.map((_, i) => [prompt, ` ${choiceLetters[i]}`]);
}

/** The texts of one question. Choices before whose last token the model reads the same share a text: letters, as a rule. */
class QuestionProbes {
  readonly probes: { inputIds: readonly number[]; targets: Probe["targets"][number][] }[] = [];
  readonly choices: ChoiceProbe[] = [];
  readonly #known = new Map<string, number>();
  readonly #firstProbe: number;

  /** @param firstProbe the number of the question's first text among all. */
  constructor(firstProbe: number) {
    this.#firstProbe = firstProbe;
  }

  /** @param length how many tokens at the end are the choice. */
  add(inputIds: readonly number[], length: number, maxLength: number, characters: number): void {
    const kept = keepEnds(inputIds, maxLength);
    // A choice as long as the whole window is asked about as far as something stands before it.
    const counted = Math.min(length, kept.length - 1);
    const read = kept.slice(0, -1);
    const key = read.join();
    const at = this.#known.get(key) ?? this.probes.push({ inputIds: read, targets: [] }) - 1;
    this.#known.set(key, at);
    const { targets } = this.probes[at]!;
    this.choices.push({ probe: this.#firstProbe + at, first: targets.length, length: counted, characters });
    for (let t = kept.length - counted; t < kept.length; t++) targets.push({ after: t - 1, token: kept[t]! });
  }
}

const indexOfHighest = (values: readonly number[]): number => values.indexOf(Math.max(...values));
