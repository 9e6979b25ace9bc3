/**
 * Work that is timed: what a process of its own is told to do, as JSON. Our worker (works/), the Python reference
 * (reference/) and llama.cpp (llama/) know the kinds that they can do.
 */
export type Work = OperatorWork | TrainWork | DecodeWork | PrefillWork | FirstTokenWork;

/** What runs beside the softmax attention of every layer; `off`: nothing, the base model. */
export type Memory = "delta_rule" | "delta_product" | "off";

/** The linear attention operator alone, over inputs drawn at random. */
export interface OperatorWork {
  readonly kind: "operator";
  readonly batch: number;
  readonly heads: number;
  readonly length: number;
  readonly dim: number;
  /** Virtual tokens of a token. */
  readonly order: number;
  /** Also the gradients to queries, keys, values and write gate. */
  readonly backward: boolean;
}

/** A step of training: LoRA (r 8) on the attention projections, AdamW, tokens drawn at random. */
export interface TrainWork {
  readonly kind: "train";
  /** A GGUF file or a Hugging Face folder. */
  readonly model: string;
  readonly memory: Memory;
  readonly batch: number;
  readonly length: number;
  readonly checkpointing?: boolean;
  /** What is timed: a step (the default), or, of the first step, the making of its graph and session. */
  readonly timed?: "step" | "graph";
}

/** Greedy decoding after a context. */
export interface DecodeWork {
  readonly kind: "decode";
  readonly model: string;
  readonly memory: Memory;
  readonly mu?: number;
  readonly maxSelfAttnLength?: number;
  /** Tokens in front of the first repetition. With a long one each repetition goes on from where the last ended. */
  readonly context: number;
  readonly tokens: number;
}

/** Reading a prompt, up to the logits after its last token. */
export interface PrefillWork {
  readonly kind: "prefill";
  readonly model: string;
  readonly memory: Memory;
  readonly mu?: number;
  readonly length: number;
}

/** From the start of the process to the first token of a short prompt. */
export interface FirstTokenWork {
  readonly kind: "first-token";
  readonly model: string;
  readonly memory: Memory;
}

/** Work that can be repeated. */
export interface Prepared {
  /** Does the work once. @returns the seconds that it took. */
  repeat(): Promise<number>;
  /** Frees what it holds. */
  release(): Promise<void>;
}

/** The shortest context: what every side reads before it decodes. */
export const shortPrompt = 8;

/** `count` token ids below `limit`, the same for everyone who asks: a walk with a step that is prime. */
export const tokenIds = (count: number, limit = 30_000, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => 100 + (((from + i) * 7919) % (limit - 100)));

/** The seconds that a function takes. */
export async function secondsOf(fn: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await fn();
  return (performance.now() - start) / 1000;
}
