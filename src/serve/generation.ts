import { ReadableStream, type ReadableStreamDefaultController } from "node:stream/web";
import { createTokenSampler, type SamplingOptions, type TokenSampler } from "../generate/sampling.js";
import { StopStrings } from "../generate/stop-strings.js";
import type { TokenStream } from "../io/token-stream.js";
import { Random } from "../random.js";
import type { TpttModel } from "../tptt/tptt-model.js";

/** What is to be written. */
export interface GenerationRequest {
  readonly model: TpttModel;
  /** The prompt's tokens, at least one. */
  readonly prompt: readonly number[];
  readonly maxNewTokens: number;
  /** Tokens that end the text; they are not given out. */
  readonly stopIds: readonly number[];
  readonly sampling: SamplingOptions;
  /** Of the draws. */
  readonly seed: number;
  /** Strings that end the text; they are not given out. */
  readonly stop: readonly string[];
}

/** Why a text ended: it came to its end, or there were as many tokens as were asked for. */
export type FinishReason = "stop" | "length";

/** A piece of a text; the last one says why it is the last. */
export interface TextPiece {
  readonly text: string;
  readonly finishReason?: FinishReason;
}

/** A text that is being written. Who stops reading it before its end cancels it. */
export class Generation {
  /** The pieces, as they come. Fails when the generation does. */
  readonly pieces: ReadableStream<TextPiece>;
  readonly request: GenerationRequest;
  readonly #sample: TokenSampler;
  readonly #text: TokenStream;
  readonly #stops: StopStrings;
  #controller!: ReadableStreamDefaultController<TextPiece>;
  #newTokens = 0;
  #done = false;

  /** @throws InputError for an impossible way of sampling. */
  constructor(request: GenerationRequest) {
    this.request = request;
    this.#sample = createTokenSampler(request.sampling, Random.for(request.seed, "generate"));
    this.#text = request.model.requireTokenizer().stream({ skipSpecialTokens: true });
    this.#stops = new StopStrings(request.stop);
    this.pieces = new ReadableStream<TextPiece>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.#done = true;
      },
    });
  }

  /** Whether nothing more is written: it has ended, failed, or been cancelled. */
  get done(): boolean {
    return this.#done;
  }

  /** How many tokens it has written so far, without one that ends a text. */
  get newTokens(): number {
    return this.#newTokens;
  }

  /**
   * Chooses the next token.
   *
   * @param logits those after its last token, [vocab].
   * @returns the token, which is to be read next; undefined when the text has ended.
   */
  write(logits: Float32Array): number | undefined {
    const { stopIds, maxNewTokens } = this.request;
    const id = this.#sample(logits);
    if (stopIds.includes(id)) {
      this.#end("stop");
      return undefined;
    }
    this.#newTokens++;
    const { text, ended } = this.#stops.push(this.#text.push(id));
    if (ended) this.#finish(text, "stop");
    else if (this.#newTokens === maxNewTokens) this.#end("length", text);
    else {
      if (text) this.#controller.enqueue({ text });
      return id;
    }
    return undefined;
  }

  /** Ends it with an error. */
  fail(error: unknown): void {
    if (this.#done) return;
    this.#done = true;
    this.#controller.error(error);
  }

  /** Gives out what was held back, in which a stop string may still be found. */
  #end(finishReason: FinishReason, text = ""): void {
    const rest = this.#stops.push(this.#text.flush());
    if (rest.ended) this.#finish(text + rest.text, "stop");
    else this.#finish(text + rest.text + this.#stops.flush(), finishReason);
  }

  #finish(text: string, finishReason: FinishReason): void {
    this.#done = true;
    this.#controller.enqueue({ text, finishReason });
    this.#controller.close();
  }
}
