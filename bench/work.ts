import type { Quantization } from "#dist/models/quantization.js";

/**
 * Work that is timed: what a process of its own is told to do, as JSON. Our worker (works/), the Python reference
 * (reference/) and llama.cpp (llama-worker.ts) know the kinds that they can do.
 */
export type Work =
  | LimitWork
  | OperatorWork
  | TrainWork
  | DecodeWork
  | PrefillWork
  | FirstTokenWork
  | LearnWork
  | PredictWork;

/** What runs beside the softmax attention of every layer; `off`: nothing, the base model. */
export type Memory = "delta_rule" | "delta_product" | "off";

/** A model on disk, and how it is opened. */
export interface ModelWork {
  /** A GGUF file or a Hugging Face folder. */
  readonly model: string;
  readonly memory: Memory;
  /** How the package holds the weights; default f32. llama.cpp reads the file as it is, PyTorch has f32. */
  readonly quantize?: Quantization;
  readonly mu?: number;
}

/** What the machine gives at best: one large f32 product, or one reading of a large array. */
export interface LimitWork {
  readonly kind: "product" | "reading";
}

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
export interface TrainWork extends ModelWork {
  readonly kind: "train";
  readonly batch: number;
  readonly length: number;
  readonly checkpointing?: boolean;
  /** What is timed: a step (the default), or, of the first step, the making of its graph and session. */
  readonly timed?: "step" | "graph";
}

/** Greedy decoding after a context. */
export interface DecodeWork extends ModelWork {
  readonly kind: "decode";
  readonly maxSelfAttnLength?: number;
  /** Tokens in front of the first repetition. With a long one each repetition goes on from where the last ended. */
  readonly context: number;
  readonly tokens: number;
}

/** Reading a prompt, up to the logits after its last token. */
export interface PrefillWork extends ModelWork {
  readonly kind: "prefill";
  readonly length: number;
}

/** From the start of the process to the first token of a short prompt. */
export interface FirstTokenWork extends ModelWork {
  readonly kind: "first-token";
}

/** Some steps of training as `tptt train` does them, then the loss on windows of the text that it never saw. */
export interface LearnWork extends ModelWork {
  readonly kind: "learn";
  readonly text: string;
  readonly steps: number;
  readonly batch: number;
  /** Tokens of a window. */
  readonly length: number;
  /** Windows at the text's end that are kept for the loss. */
  readonly windows: number;
}

/** The loss on windows at a text's end. */
export interface PredictWork extends ModelWork {
  readonly kind: "predict";
  readonly text: string;
  readonly length: number;
  readonly windows: number;
}

/** What came of doing the work once. */
export interface Result {
  readonly seconds: number;
  /** Mean loss of a token, where the work is about one. */
  readonly loss?: number;
}

/** Work that can be repeated. */
export interface Prepared {
  /** Does the work once. */
  repeat(): Promise<Result>;
  /** Frees what it holds. */
  release(): Promise<void>;
}

/** The shortest context: what every side reads before it decodes. */
export const shortPrompt = 8;

/** `count` token ids below `limit`, the same for everyone who asks: a walk with a step that is prime. */
export const tokenIds = (count: number, limit = 30_000, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => 100 + (((from + i) * 7919) % (limit - 100)));

/** The seconds that a function takes. */
export async function time(fn: () => Promise<unknown>): Promise<Result> {
  const start = performance.now();
  await fn();
  return { seconds: (performance.now() - start) / 1000 };
}
