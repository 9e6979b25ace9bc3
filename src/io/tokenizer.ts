import {
  BPE,
  ByteFallbackDecoder,
  type Decoder,
  Tokenizer as Library,
  SequenceDecoder,
} from "@huggingface/tokenizers";
import { z } from "zod";
import { withinTime } from "#time-limit";
import { InputError } from "../errors.js";
import { ChatTemplate } from "./chat-template.js";
import type { GgufValue } from "./gguf-cursor.js";
import {
  completeFiles,
  type GgufTokenizer,
  readGgufTokenizer,
  type TokenizerFiles,
} from "./gguf-tokenizer.js";
import { type JsonObject, readJsonFile, readJsonFileIfPresent, readTextFileIfPresent } from "./json-file.js";
import { pathInside } from "./model-folder.js";
import { TextCutter } from "./text-cutter.js";
import { TokenStream } from "./token-stream.js";
import { checkTokenizer } from "./tokenizer-checks.js";
import { parseWith } from "./validate.js";

/** Options of {@link Tokenizer.decode} and {@link Tokenizer.stream}. */
export interface DecodeOptions {
  /** Leaves out tokens such as `<bos>` that are not text. Default: false. */
  readonly skipSpecialTokens?: boolean;
}

/** The time that patterns of unknown origin may take: milliseconds, and characters in a millisecond. */
const slowest = { start: 900, speed: 100 };

const tokenizerSchema = z.looseObject({
  model: z.looseObject({}),
  added_tokens: z.array(
    z.looseObject({ id: z.int().nonnegative(), content: z.string(), special: z.boolean() }),
  ),
});

const tokenName = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({ bos_token: tokenName, eos_token: tokenName, pad_token: tokenName });

/**
 * Text to token ids and back, as `@huggingface/tokenizers` does it for a `tokenizer.json`; a GGUF vocabulary is turned
 * into one.
 */
export class Tokenizer {
  /** Ids of the named tokens, as far as the files name them. */
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  /** One more than the highest id. */
  readonly vocabSize: number;
  #files: () => TokenizerFiles;
  #config: JsonObject;
  #chatTemplate: ChatTemplate | undefined;
  /** What error messages call the place of the template. */
  #templateFrom: string;
  /** The file that the library works by, for errors. */
  readonly #where: string;
  /** Whether the file has patterns that may take any time. */
  readonly #mayHang: boolean;
  readonly #library: Library;
  readonly #special: ReadonlySet<number>;

  /**
   * @param files the parsed files of a tokenizer
   * @param folder what error messages call the place that they come from
   * @throws InputError naming the file and field that cannot be used.
   */
  constructor(files: TokenizerFiles, folder: string);
  /**
   * @internal
   * @param gguf what the files leave out, for a GGUF file's
   */
  constructor(files: TokenizerFiles, folder: string, gguf: GgufTokenizer);
  constructor(files: TokenizerFiles, folder: string, gguf?: GgufTokenizer) {
    this.#files = gguf ? () => completeFiles(gguf) : () => files;
    this.#config = files["tokenizer_config.json"];
    this.#templateFrom = `${folder}: chat_template`;
    const where = `${folder}/tokenizer.json`;
    this.#where = where;
    const { added_tokens } = parseWith(tokenizerSchema, files["tokenizer.json"], where);
    const config = parseWith(configSchema, files["tokenizer_config.json"], `${folder}/tokenizer_config.json`);
    const { mayHang } = checkTokenizer(files["tokenizer.json"], where, gguf?.vocabulary.size);
    this.#mayHang = mayHang;
    this.#library = this.#attempt(() => createLibrary(files, gguf));
    this.#special = new Set(added_tokens.filter(({ special }) => special).map(({ id }) => id));
    this.vocabSize = this.#library.model.vocab.length;
    const idOf = (name: z.infer<typeof tokenName>) => {
      const content = typeof name === "string" ? name : name?.content;
      return content === undefined ? undefined : this.#library.token_to_id(content);
    };
    this.bosId = idOf(config.bos_token);
    this.eosId = idOf(config.eos_token);
    this.padId = idOf(config.pad_token);
  }

  /**
   * Reads `tokenizer.json`, and `tokenizer_config.json` and `chat_template.jinja` if they are there.
   *
   * @throws InputError naming the file that is missing or cannot be used.
   */
  static async fromFolder(folder: string): Promise<Tokenizer> {
    const config = (await readJsonFileIfPresent(await pathInside(folder, "tokenizer_config.json"))) ?? {};
    const template = await readChatTemplate(folder, config);
    const files = {
      "tokenizer.json": await readJsonFile(await pathInside(folder, "tokenizer.json")),
      "tokenizer_config.json": template === undefined ? config : { ...config, chat_template: template },
    };
    return new Tokenizer(files, folder);
  }

  /**
   * The tokenizer that a GGUF file holds.
   *
   * @param name what error messages call the file
   * @throws InputError naming the metadata field that is wrong or not supported.
   */
  static fromGguf(metadata: ReadonlyMap<string, GgufValue>, name = "GGUF"): Tokenizer {
    const gguf = readGgufTokenizer(metadata, name);
    return new Tokenizer(gguf.files, name, gguf);
  }

  /**
   * Token ids of a text.
   *
   * @param options `addSpecialTokens`: whether it gets what the tokenizer puts around a text, such as `<bos>`. Default: true.
   */
  encode(text: string, { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {}): number[] {
    return this.#attempt(
      () => this.#library.encode(text, { add_special_tokens: addSpecialTokens }).ids,
      text.length,
    );
  }

  /**
   * The text of token ids, exactly: spaces before punctuation stay, whatever `clean_up_tokenization_spaces` says. Ids
   * outside the vocabulary (a model's padding rows) have no text.
   */
  decode(ids: Iterable<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const shown = [...ids].filter(
      (id) => this.#library.id_to_token(id) !== undefined && !(skipSpecialTokens && this.#special.has(id)),
    );
    if (shown.length === 0) return "";
    return this.#attempt(
      () => this.#library.decode(shown, { clean_up_tokenization_spaces: false }),
      shown.length,
    );
  }

  /** Has the library do something. @throws InputError when the file's rules do not work, or take too long for `length` items. */
  #attempt<T>(work: () => T, length = 0): T {
    try {
      const done = this.#mayHang
        ? withinTime(work, slowest.start + length / slowest.speed)
        : { value: work() };
      if (done) return done.value;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new InputError(
        this.#where,
        `cannot be used (${reason}); save it again with the tokenizers library`,
        {
          cause: error,
        },
      );
    }
    throw new InputError(
      this.#where,
      "has a pattern that takes too long to match, as (a+)+$ does; write it without a repetition in a repetition",
    );
  }

  /** Whether a token is none of text, such as `<bos>`. */
  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /** Decodes ids as they come. */
  stream(options: DecodeOptions = {}): TokenStream {
    return new TokenStream((ids) => this.decode(ids, options));
  }

  /**
   * The model's template for conversations; undefined when there is none.
   *
   * @throws InputError when it is not one that can be used.
   */
  get chatTemplate(): ChatTemplate | undefined {
    this.#chatTemplate ??= ChatTemplate.fromConfig(this.#config, this.#templateFrom);
    return this.#chatTemplate;
  }

  /**
   * Takes another template for conversations, which is saved with the tokenizer.
   *
   * @param where what error messages call it.
   * @throws InputError when it is not one that can be used.
   */
  useChatTemplate(source: string, where: string): void {
    const template = ChatTemplate.fromConfig({ ...this.#config, chat_template: source }, where);
    this.#setChatTemplate(source, where);
    this.#chatTemplate = template;
  }

  /** Takes the template of a folder in which a tokenizer was saved, if there is one; as its own, it is read when it is used. */
  async useChatTemplateOf(folder: string): Promise<void> {
    const config = (await readJsonFileIfPresent(await pathInside(folder, "tokenizer_config.json"))) ?? {};
    const template = await readChatTemplate(folder, config);
    if (template !== undefined && template !== null)
      this.#setChatTemplate(template, `${folder}: chat_template`);
  }

  #setChatTemplate(template: unknown, where: string): void {
    const files = this.#files;
    const config = { ...this.#config, chat_template: template };
    this.#config = config;
    this.#chatTemplate = undefined;
    this.#templateFrom = where;
    this.#files = () => ({ ...files(), "tokenizer_config.json": config });
  }

  /** The files of this tokenizer, parsed. */
  toFiles(): TokenizerFiles {
    return this.#files();
  }

  /** Writes the files of this tokenizer into a folder, which exists. */
  async save(folder: string): Promise<void> {
    const { writeFileAtomic } = await import("./atomic-file.js");
    const { "tokenizer.json": tokenizer, "tokenizer_config.json": config } = this.#files();
    // Half a million merges: with a line for each the file would be three times as long.
    await writeFileAtomic(`${folder}/tokenizer.json`, JSON.stringify(tokenizer));
    await writeFileAtomic(`${folder}/tokenizer_config.json`, `${JSON.stringify(config, null, 2)}\n`);
  }
}

/** A template has a file of its own, or stands in the config. */
async function readChatTemplate(folder: string, config: JsonObject): Promise<unknown> {
  return (
    (await readTextFileIfPresent(await pathInside(folder, "chat_template.jinja"))) ?? config.chat_template
  );
}

/** The library's tokenizer, made faster on long texts and exact on byte order marks. */
function createLibrary(files: TokenizerFiles, gguf: GgufTokenizer | undefined): Library {
  const library = new Library(files["tokenizer.json"], files["tokenizer_config.json"]);
  const { model } = library;
  if (gguf && model instanceof BPE) setVocabulary(model, gguf);
  if (model instanceof BPE && !model.end_of_word_suffix && !model.continuing_subword_suffix) {
    library.pre_tokenizer = new TextCutter(library.pre_tokenizer, model.vocab);
  }
  keepByteOrderMarks(library.decoder);
  return library;
}

/** From files it would make an object, a list and two maps of the vocabulary, and all merges. */
function setVocabulary(model: BPE, { vocabulary, merges }: GgufTokenizer): void {
  model.tokens_to_ids = vocabulary;
  model.vocab = [...vocabulary.keys()];
  model.unk_token_id = model.unk_token == null ? undefined : vocabulary.get(model.unk_token);
  if (merges) model.bpe_ranks = merges;
}

/** The library decodes bytes with a `TextDecoder` that drops a byte order mark. */
function keepByteOrderMarks(decoder: Decoder | null): void {
  if (decoder instanceof SequenceDecoder) decoder.decoders.forEach(keepByteOrderMarks);
  if (decoder instanceof ByteFallbackDecoder)
    decoder.text_decoder = new TextDecoder("utf-8", { ignoreBOM: true });
}
