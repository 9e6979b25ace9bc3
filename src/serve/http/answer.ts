import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Generation, TextPiece } from "../generation.js";
import type { Outcome, ServerMetrics } from "../metrics.js";
import { asApiError, GoneError, TooLateError } from "./api-error.js";
import { type TextForm, usageOf } from "./text-forms.js";

/** Texts that were asked for together, and how they are answered. */
export interface Answer {
  readonly generations: readonly Generation[];
  /** The model's name. */
  readonly model: string;
  readonly form: TextForm;
  /** Pieces as they come, or all at the end. */
  readonly stream: boolean;
  /** Whether a stream ends with the usage. */
  readonly includeUsage: boolean;
  /** Seconds after which what is not done fails. */
  readonly timeout: number;
  readonly metrics: ServerMetrics;
  /** Told errors that are nobody's fault but ours. */
  readonly onError: (error: unknown) => void;
}

/** Answers with texts, and sees to it that none is written on when nobody waits for it any more. */
export async function answer(c: Context, answer: Answer): Promise<Response> {
  const { generations, model, form, stream, includeUsage } = answer;
  const head = {
    id: `${form.idPrefix}-${crypto.randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model,
  };
  const usage = () => usageOf(generations.map(counts));
  const reading = new Reading(c.req.raw.signal, answer);
  if (!stream) {
    const choices = await reading.each(async (generation, index) => {
      let whole = "";
      for await (const { text, finishReason } of reading.pieces(generation)) {
        whole += text;
        if (finishReason) return form.whole(index, whole, finishReason);
      }
      throw new Error("a text ended without a reason");
    });
    return c.json({ ...head, object: form.object, choices, usage: usage() });
  }
  return streamSSE(c, async (events) => {
    const send = (data: object) => events.writeSSE({ data: JSON.stringify(data) });
    const chunk = { ...head, object: form.pieceObject };
    // A client that asked for the usage finds the field in every piece.
    const sendChoice = (choice: object) =>
      send({ ...chunk, choices: [choice], ...(includeUsage ? { usage: null } : {}) });
    try {
      await reading.each(async (generation, index) => {
        const opening = form.opening(index);
        if (opening) await sendChoice(opening);
        for await (const piece of reading.pieces(generation)) await sendChoice(form.piece(index, piece));
      });
      if (includeUsage) await send({ ...chunk, choices: [], usage: usage() });
      await events.writeSSE({ data: "[DONE]" });
    } catch (error) {
      await send(asApiError(error).body);
    }
  });
}

const counts = ({ request, newTokens }: Generation) => ({ promptTokens: request.prompt.length, newTokens });

/** The texts of one request while they are read: measured, and ended when the client leaves or time is up. */
class Reading {
  readonly #answer: Answer;
  readonly #signal: AbortSignal;
  readonly #start = performance.now();

  constructor(signal: AbortSignal, answer: Answer) {
    this.#signal = signal;
    this.#answer = answer;
  }

  /** Does something with each text at once. When one fails all do. */
  async each<T>(use: (generation: Generation, index: number) => Promise<T>): Promise<T[]> {
    const { generations, timeout } = this.#answer;
    const fail = (error: unknown) => {
      for (const generation of generations) generation.fail(error);
    };
    const leave = () => fail(new GoneError());
    const timer = setTimeout(() => fail(new TooLateError()), 1000 * timeout);
    if (this.#signal.aborted) leave();
    this.#signal.addEventListener("abort", leave);
    try {
      const uses = generations.map((generation, index) => use(generation, index));
      await Promise.all(uses).catch(fail);
      // All have ended by now, well or not.
      return await Promise.all(uses);
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", leave);
    }
  }

  /** The pieces of a text, measured. */
  async *pieces(generation: Generation): AsyncGenerator<TextPiece> {
    const { metrics, model, onError } = this.#answer;
    let outcome: Outcome = "error";
    let first = true;
    try {
      for await (const piece of generation.pieces) {
        if (first) metrics.firstPiece(this.#seconds);
        first = false;
        if (piece.finishReason) outcome = piece.finishReason;
        yield piece;
      }
    } catch (error) {
      if (error instanceof GoneError) outcome = "cancelled";
      else if (error instanceof TooLateError) outcome = "timeout";
      else if (asApiError(error).status === 500) onError(error);
      throw error;
    } finally {
      metrics.ended(model, { outcome, ...counts(generation), seconds: this.#seconds });
    }
  }

  get #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }
}
