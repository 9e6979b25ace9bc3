import { promptOf } from "../data/prompt.js";
import type { DataRecord } from "../data/record.js";
import type { TokenizerLike } from "../data/tokenize.js";
import { InputError } from "../errors.js";
import { generateBatch } from "../generate/generate-batch.js";
import { createTokenSampler } from "../generate/sampling.js";
import { Random } from "../random.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import { keepEnds } from "./keep-ends.js";
import { ExactMatchMeter } from "./metrics.js";
import { type AnswerSample, metric, type TaskResult } from "./result.js";
import { matchText, textMatches } from "./text-match.js";

/** A prompt, and the answer that is right. */
export interface AnsweredPrompt {
  /** Token ids. */
  readonly prompt: readonly number[];
  readonly expected: string;
}

/** Options of {@link evaluateExactMatch}. */
export interface ExactMatchOptions {
  readonly batchSize: number;
  /** Most tokens of an answer. */
  readonly maxNewTokens: number;
  /** Called after each batch. */
  readonly onBatch?: (done: number, total: number) => void;
}

/** Answers that are given with the result. */
const samplesGiven = 5;

/**
 * A record as a prompt with its answer: of a conversation the assistant's last turn, of a question with choices the
 * right one's letter.
 *
 * @param where what error messages call the record.
 * @throws InputError when the record has no answer.
 */
export function answeredPrompt(record: DataRecord, tokenizer: TokenizerLike, where: string): AnsweredPrompt {
  if ("messages" in record) {
    const { messages } = record;
    const last = messages.findLastIndex(({ role }) => role === "assistant");
    const content = messages[last]?.content;
    if (tokenizer.chatTemplate === undefined || typeof content !== "string") {
      throw new InputError(
        where,
        "is a conversation, which needs a chat template, and a text as the assistant's last answer",
      );
    }
    const text = tokenizer.chatTemplate.render(messages.slice(0, last), { addGenerationPrompt: true });
    return { prompt: tokenizer.encode(text, { addSpecialTokens: false }), expected: content };
  }
  if ("text" in record || "document" in record) {
    throw new InputError(
      where,
      "is a text without an answer; expected instruction and output, or messages, or question, choices and answer",
    );
  }
  const { prompt, completion } = promptOf(record);
  return { prompt: tokenizer.encode(prompt), expected: completion };
}

/**
 * Has a model answer prompts, always by the most likely token, and compares with the right answers ({@link matchText}). An
 * answer ends with a token that ends texts; at a line feed too, where no right answer has one.
 *
 * @throws InputError when no prompt fits the model.
 */
export async function evaluateExactMatch(
  model: TpttModel,
  prompts: readonly AnsweredPrompt[],
  { batchSize, maxNewTokens, onBatch }: ExactMatchOptions,
): Promise<TaskResult> {
  const tokenizer = model.requireTokenizer();
  const decode = (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecialTokens: true });
  const oneLine = !prompts.some(({ expected }) => expected.trim().includes("\n"));
  const sample = createTokenSampler({ temperature: 0 }, new Random(0));
  const longest = model.maxLength - maxNewTokens + 1;
  if (longest < 2) {
    throw new InputError(
      "max_new_tokens",
      `is ${maxNewTokens}, which leaves no room for a prompt in the model's ${model.maxLength} positions; give fewer`,
    );
  }
  // A memory of the reference's form reads rows of one length.
  const rows = model.config.operatorForm === "tptt-0.12" && model.memoryMode !== "off" ? 1 : batchSize;
  const meters = textMatches.map((name) => ({ name, meter: new ExactMatchMeter() }));
  const samples: AnswerSample[] = [];
  const batches = Math.ceil(prompts.length / rows);
  let cut = 0;
  for (let i = 0; i < batches; i++) {
    const batch = prompts.slice(i * rows, (i + 1) * rows);
    cut += batch.filter(({ prompt }) => prompt.length > longest).length;
    // Rows without a prompt keep the graphs of the last batch those of the others.
    const fed = Array.from({ length: rows }, (_, row) => keepEnds(batch[row]?.prompt ?? [], longest));
    const written = await generateBatch(model.decoder(rows), fed, sample, {
      maxNewTokens,
      stopIds: model.eosTokenIds,
      isComplete: (_, ids) => oneLine && decode(ids).includes("\n"),
    });
    for (const [row, { prompt, expected }] of batch.entries()) {
      const text = decode(written[row]!);
      const answer = oneLine ? text.split("\n", 1)[0]! : text;
      const matches = matchText(answer, expected);
      for (const { name, meter } of meters) meter.count(matches[name]);
      if (samples.length < samplesGiven) samples.push({ prompt: decode(prompt), expected, answer });
    }
    onBatch?.(i + 1, batches);
  }
  return {
    metrics: meters.map(({ name, meter }) => metric(name, meter.estimate())),
    notes: { max_new_tokens: maxNewTokens, stops_at_line_feed: String(oneLine), prompts_cut: cut },
    samples,
  };
}
