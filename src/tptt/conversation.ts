import { z } from "zod";
import { type ReadText, textAfter, turnEndIds } from "../data/chat.js";
import type { ChatMessage } from "../data/record.js";
import { InputError } from "../errors.js";
import { generateTokens } from "../generate/generate.js";
import { createTokenSampler } from "../generate/sampling.js";
import type { ChatTemplate } from "../io/chat-template.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { asLanguageModel } from "../models/language-model.js";
import { Random } from "../random.js";
import { parseField } from "./files/decoder-file.js";
import type { Decoder } from "./graphs/decoder.js";
import { type GenerateOptions, lastUnread } from "./text-generation.js";
import type { TpttModel } from "./tptt-model.js";

/** How a {@link Conversation} begins. */
export interface ConversationOptions {
  /** What stands before all messages: how the model is to answer. Not every template has a place for it. */
  readonly system?: string | undefined;
}

/** What is read before an answer is written. */
export interface Reading {
  /** How many tokens. */
  readonly tokens: number;
  /**
   * Whether the conversation is read from its start again, because its text does not begin with what was read: a template
   * may write earlier messages otherwise once others follow.
   */
  readonly anew: boolean;
}

/** How an answer is written. */
export interface ReplyOptions
  extends Pick<GenerateOptions, "maxNewTokens" | "temperature" | "topK" | "topP" | "seed" | "onToken"> {
  /**
   * Ends the answer after the token that is being written; what was written stays. While a long message is being read
   * (more than 256 tokens) it ends that, and the conversation is as before the message.
   */
  readonly signal?: AbortSignal | undefined;
  /** Called before anything is read. */
  readonly onRead?: (reading: Reading) => void;
  /** Called while it is read, with how many of its tokens are. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Why an answer ended: by a token that ends a turn, at the most tokens, or by its `signal`. `unread`: by its signal, before
 * the message was read, which counts as not said.
 */
export type FinishReason = "stop" | "length" | "aborted" | "unread";

/** New tokens of an answer for which no number is given, or as many as the model's positions leave. */
const defaultNewTokens = 512;

/** The name under which a conversation stands beside a decoder's state. */
const metadataKey = "conversation";

/**
 * A conversation with a model, in the words of its chat template. Each turn reads what is new: the memories (LCache) and
 * the keys and values of all before it are kept.
 *
 *     const chat = new Conversation(model, { system: "Answer briefly." });
 *     for await (const text of chat.reply("What is a Titan?")) process.stdout.write(text);
 *     await chat.save("talk.safetensors");
 *     const later = await Conversation.load(model, "talk.safetensors");
 */
export class Conversation {
  readonly #model: TpttModel;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #stopIds: readonly number[];
  #messages: readonly ChatMessage[];
  #decoder: Decoder | undefined;
  /** All tokens so far; the decoder has read them all, or all but the last. */
  #ids: readonly number[] = [];
  /** Their text: what the template wrote up to the last answer, and that answer. */
  #text: ReadText = { prompt: "", answer: "" };
  #replying = false;

  /** @throws InputError when the model has no tokenizer or no chat template. */
  constructor(model: TpttModel, { system }: ConversationOptions = {}) {
    this.#model = model;
    this.#tokenizer = model.requireTokenizer();
    this.#template = requireTemplate(this.#tokenizer, model.config.baseModelName);
    this.#stopIds = [...model.eosTokenIds, ...turnEndIds(this.#tokenizer, this.#template)];
    this.#messages = system === undefined ? [] : [{ role: "system", content: system }];
  }

  /**
   * A conversation that was saved, in this process or another: it goes on with the same next token.
   *
   * @throws InputError when the file is damaged, or was written with another model, other weights or another mu.
   */
  static async load(model: TpttModel, path: string): Promise<Conversation> {
    const conversation = new Conversation(model);
    const { decoder, metadata } = await model.loadDecoder(path);
    const saved = metadata[metadataKey];
    if (saved === undefined) throw new InputError(path, "holds a decoder's state without a conversation");
    const where = `${path}: ${metadataKey}`;
    const { messages, input_ids, prompt, answer } = parseField(savedSchema, saved, where);
    requireRead(decoder.seen, input_ids, asLanguageModel(model.base).config.vocabSize, where);
    conversation.#messages = messages;
    conversation.#decoder = decoder;
    conversation.#ids = input_ids;
    conversation.#text = { prompt, answer };
    return conversation;
  }

  /** Writes the conversation and all that the model remembers of it into a file, which appears whole or not at all. */
  async save(path: string): Promise<void> {
    this.#requireSilence();
    const decoder = this.#decoder ?? this.#model.decoder();
    const saved = { messages: this.#messages, input_ids: this.#ids, ...this.#text };
    await this.#model.saveDecoder(path, decoder, { [metadataKey]: JSON.stringify(saved) });
  }

  /** Forgets all but the system prompt. */
  reset(): void {
    this.#requireSilence();
    this.#messages = this.#messages.filter(({ role }, i) => i === 0 && role === "system");
    this.#forget();
  }

  /** What was said so far, the system prompt included. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** How many tokens the model has read. */
  get seen(): number {
    return this.#decoder?.seen[0] ?? 0;
  }

  /**
   * Says something, and gives the answer piece by piece. Who stops listening ends the answer: what was written of it
   * stays in the conversation. After an error the conversation is as before the turn.
   *
   * @returns why the answer ended.
   * @throws InputError for an impossible option, messages that the template refuses, or a conversation longer than the
   * model can read.
   */
  async *reply(content: string, options: ReplyOptions = {}): AsyncGenerator<string, FinishReason> {
    this.#requireSilence();
    const { signal, onRead, onProgress, onToken } = options;
    const { messages, prompt, ids, known, maxNewTokens, sample } = this.#prepare(content, options);
    const written: number[] = [];
    const text = this.#tokenizer.stream({ skipSpecialTokens: true });
    let answer = "";
    let said = true;
    this.#replying = true;
    try {
      if (!known) this.#forget();
      this.#decoder ??= this.#model.decoder();
      const decoder = this.#decoder;
      const unread = ids.slice(decoder.seen[0]);
      onRead?.({
        tokens: unread.length,
        anew: !known && this.#messages.some(({ role }) => role !== "system"),
      });
      const watched = { signal, onProgress };
      const reader = {
        read: async (tokens: readonly number[]) =>
          (await decoder.read([tokens], written.length === 0 ? watched : {}))[0]!,
      };
      const stop = { maxNewTokens, stopIds: this.#stopIds };
      for await (const id of generateTokens(reader, unread, sample, stop)) {
        written.push(id);
        onToken?.(id);
        const piece = text.push(id);
        answer += piece;
        if (piece) yield piece;
        if (signal?.aborted) return "aborted";
      }
      const rest = text.flush();
      answer += rest;
      if (rest) yield rest;
      return written.length < maxNewTokens ? "stop" : "length";
    } catch (error) {
      said = false;
      if (signal?.aborted && error === signal.reason && written.length === 0) return "unread";
      this.#forget();
      throw error;
    } finally {
      this.#replying = false;
      if (said) {
        answer += text.flush();
        this.#messages = [...messages, { role: "assistant", content: answer }];
        this.#ids = [...ids, ...written];
        // With special tokens that the answer does not show: a template would not write them.
        this.#text = { prompt, answer: this.#tokenizer.decode(written) };
      }
    }
  }

  /** What a turn reads and how it is written; nothing has changed when this throws. */
  #prepare(content: string, { temperature = 0, topK, topP, seed = 0, maxNewTokens }: ReplyOptions) {
    const messages = [...this.#messages, { role: "user", content }];
    // Seeded by the turn: one that follows a pause draws as without it.
    const random = Random.for(seed, "chat", messages.length);
    const sample = createTokenSampler({ temperature, topK, topP }, random);
    const prompt = this.#template.render(messages, { addGenerationPrompt: true });
    const continued = this.#continuation(prompt);
    const ids = continued ?? this.#encode(prompt);
    if (ids.length === 0)
      throw new InputError("chat_template", "gives no text for the conversation; give another template");
    const { maxLength } = this.#model;
    const room = maxLength + lastUnread - ids.length;
    if (room <= 0) {
      throw new InputError(
        "conversation",
        `has ${ids.length} tokens with the new message, the model knows positions up to ${maxLength}; begin a new one`,
      );
    }
    const known = continued !== undefined;
    return {
      messages,
      prompt,
      ids,
      known,
      maxNewTokens: Math.min(maxNewTokens ?? defaultNewTokens, room),
      sample,
    };
  }

  /** All tokens of a longer text, the known ones first; undefined when it does not begin with them. */
  #continuation(text: string): readonly number[] | undefined {
    if (this.#ids.length === 0) return undefined;
    const whole = this.#encode(text);
    if (this.#ids.length < whole.length && this.#ids.every((id, i) => id === whole[i])) return whole;
    // The model may have written its words in other tokens than the tokenizer would.
    const rest = textAfter(text, this.#text);
    return rest ? [...this.#ids, ...this.#encode(rest)] : undefined;
  }

  /** The template writes the special tokens itself. */
  #encode(text: string): number[] {
    return this.#tokenizer.encode(text, { addSpecialTokens: false });
  }

  #forget(): void {
    this.#decoder?.dispose();
    this.#decoder = undefined;
    this.#ids = [];
    this.#text = { prompt: "", answer: "" };
  }

  #requireSilence(): void {
    if (this.#replying) throw new Error("Conversation: an answer is being written; wait for its end");
  }
}

function requireTemplate({ chatTemplate }: Tokenizer, model: string): ChatTemplate {
  if (chatTemplate) return chatTemplate;
  throw new InputError(
    `${model}: chat_template`,
    "is missing, and conversations need one; train with one, or give a Jinja file as chat_template",
  );
}

const savedSchema = z.object({
  messages: z.array(z.looseObject({ role: z.string() })),
  input_ids: z.array(z.int().nonnegative()),
  prompt: z.string(),
  answer: z.string(),
});

/** @throws InputError unless all tokens were read, or all but the last, and the model knows them. */
function requireRead(
  [seen, ...others]: readonly number[],
  ids: readonly number[],
  vocabSize: number,
  where: string,
): void {
  const unread = ids.length - seen!;
  if (others.length > 0 || !(unread === 0 || (unread === 1 && seen! > 0))) {
    throw new InputError(
      `${where}: input_ids`,
      `holds ${ids.length} tokens, of which ${[seen, ...others]} are read; expected one text, read up to its last token`,
    );
  }
  const unknown = ids.find((id) => id >= vocabSize);
  if (unknown !== undefined) {
    throw new InputError(`${where}: input_ids`, `holds ${unknown}, expected tokens below ${vocabSize}`);
  }
}
