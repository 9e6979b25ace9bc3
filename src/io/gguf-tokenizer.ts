import { InputError } from "../errors.js";
import type { GgufValue } from "./gguf-cursor.js";
import type { JsonObject } from "./json-file.js";
import { shown } from "./json-text.js";
import { preTokenizers } from "./pre-tokenizers.js";
import { ScoreMerges } from "./score-merges.js";

/** The files of a tokenizer, parsed, under the names that they have in a Hugging Face folder. */
export interface TokenizerFiles {
  readonly "tokenizer.json": JsonObject;
  readonly "tokenizer_config.json": JsonObject;
}

/** The tokenizer of a GGUF file. Its vocabulary of hundreds of thousands of tokens is kept apart from the files. */
export interface GgufTokenizer {
  /** The files, the vocabulary left empty; the merges as well where they follow from scores. */
  readonly files: TokenizerFiles;
  /** Ids by token, in their order. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: ScoreMerges | undefined;
}

/** The files of a tokenizer with all that belongs in them. */
export function completeFiles({ files, vocabulary, merges }: GgufTokenizer): TokenizerFiles {
  const { model, ...rest } = files["tokenizer.json"];
  const vocab: Record<string, number> = Object.create(null);
  for (const [token, id] of vocabulary) vocab[token] = id;
  const complete = { ...(model as JsonObject), ...(merges ? { merges: merges.list() } : {}), vocab };
  return { ...files, "tokenizer.json": { ...rest, model: complete } };
}

/** Token types of GGUF (llama.h). */
const unknown = 2;
const control = 3;
const userDefined = 4;
const byte = 6;

/** SentencePiece's sign for a space. */
const metaspace = "\u2581";

/**
 * Reads the tokenizer of a GGUF file as the files that the Hugging Face library reads.
 *
 * - `llama`, `gemma`: SentencePiece BPE. Merges follow from the scores, unknown characters become bytes.
 * - `gpt2`: byte-level BPE, words cut as `tokenizer.ggml.pre` says.
 *
 * @param name what error messages call the file
 * @throws InputError naming the metadata field that is wrong or not supported.
 */
export function readGgufTokenizer(metadata: ReadonlyMap<string, GgufValue>, name: string): GgufTokenizer {
  const vocabulary = new Vocabulary(metadata, name);
  const model = vocabulary.string("model");
  switch (model) {
    case "llama":
    case "gemma":
      return sentencePiece(vocabulary);
    case "gpt2":
      return byteLevel(vocabulary);
    default:
      throw vocabulary.error(
        "model",
        `is ${shown(model)}, expected llama, gemma or gpt2; this vocabulary is not supported`,
      );
  }
}

function sentencePiece(vocabulary: Vocabulary): GgufTokenizer {
  const { tokens, types } = vocabulary;
  const scores = vocabulary.list("scores", "number", tokens.length);
  const mergeable = [...tokens.keys()].filter(
    (id) => ![unknown, control, userDefined, byte].includes(types[id]!),
  );
  mergeable.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const merges = new ScoreMerges(tokens, vocabulary.ids, mergeable);
  const spacePrefix = vocabulary.boolean("add_space_prefix", true);
  const escapeSpaces = { type: "Replace", pattern: { String: " " }, content: metaspace };
  const files = vocabulary.files({
    addBos: true,
    normalizer: spacePrefix
      ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: metaspace }, escapeSpaces] }
      : escapeSpaces,
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: metaspace }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(spacePrefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      merges: [],
    },
  });
  return { files, vocabulary: vocabulary.ids, merges };
}

function byteLevel(vocabulary: Vocabulary): GgufTokenizer {
  const pre = vocabulary.string("pre");
  const rules = Object.hasOwn(preTokenizers, pre) ? preTokenizers[pre] : undefined;
  if (!rules) {
    const known = Object.keys(preTokenizers).join(", ");
    throw vocabulary.error(
      "pre",
      `is ${shown(pre)}, expected one of ${known}; this vocabulary is not supported`,
    );
  }
  const split = (pattern: string) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  });
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const files = vocabulary.files({
    addBos: rules.addBos,
    normalizer: rules.normalizer,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...rules.patterns.map(split), bytes] },
    decoder: bytes,
    model: {
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: rules.ignoreMerges,
      merges: vocabulary.list("merges", "string").map((merge) => {
        const space = merge.indexOf(" ", 1);
        if (space < 0)
          throw vocabulary.error("merges", `has ${shown(merge)}, expected two tokens and a space`);
        return [merge.slice(0, space), merge.slice(space + 1)];
      }),
    },
  });
  return { files, vocabulary: vocabulary.ids, merges: undefined };
}

/** What the two kinds differ in. */
interface Kind {
  readonly addBos: boolean;
  readonly normalizer: JsonObject | null;
  readonly pre_tokenizer: JsonObject | null;
  readonly decoder: JsonObject;
  readonly model: JsonObject;
}

interface ElementTypes {
  string: string;
  number: number;
}

/** The `tokenizer.ggml.*` fields, checked as they are read. */
class Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly ids: ReadonlyMap<string, number>;
  readonly #metadata: ReadonlyMap<string, GgufValue>;
  readonly #name: string;

  constructor(metadata: ReadonlyMap<string, GgufValue>, name: string) {
    this.#metadata = metadata;
    this.#name = name;
    this.tokens = this.list("tokens", "string");
    this.types = this.list("token_type", "number", this.tokens.length);
    this.ids = this.#idsByToken();
  }

  error(field: string, problem: string): InputError {
    return new InputError(`${this.#name}: tokenizer.ggml.${field}`, problem);
  }

  #get(field: string): GgufValue | undefined {
    return this.#metadata.get(`tokenizer.ggml.${field}`);
  }

  string(field: string): string {
    const value = this.#get(field);
    if (typeof value === "string") return value;
    throw this.error(field, `is ${value ?? "missing"}, expected a text`);
  }

  boolean(field: string, otherwise: boolean): boolean {
    const value = this.#get(field) ?? otherwise;
    if (typeof value === "boolean") return value;
    throw this.error(field, `is ${value}, expected true or false`);
  }

  list<T extends keyof ElementTypes>(field: string, type: T, length?: number): readonly ElementTypes[T][] {
    const value = this.#get(field);
    if (!Array.isArray(value))
      throw this.error(field, `is ${value === undefined ? "missing" : typeof value}, expected a list`);
    if (length !== undefined && value.length !== length) {
      throw this.error(field, `has ${value.length} elements, expected ${length}, one a token`);
    }
    const wrong = value.find((element) => typeof element !== type);
    if (wrong !== undefined) throw this.error(field, `holds ${wrong}, expected a ${type}`);
    return value;
  }

  /** The token that a `*_token_id` field names. */
  special(field: string): string | undefined {
    const id = this.#get(field);
    if (id === undefined) return undefined;
    const token = typeof id === "number" ? this.tokens[id] : undefined;
    if (token === undefined)
      throw this.error(field, `is ${id}, expected a token id below ${this.tokens.length}`);
    return token;
  }

  files(kind: Kind): TokenizerFiles {
    const unk = this.special("unknown_token_id");
    const chatTemplate = this.#metadata.get("tokenizer.chat_template");
    return {
      "tokenizer.json": {
        version: "1.0",
        truncation: null,
        padding: null,
        added_tokens: this.#addedTokens(),
        normalizer: kind.normalizer,
        pre_tokenizer: kind.pre_tokenizer,
        post_processor: this.#postProcessor(kind.addBos),
        decoder: kind.decoder,
        model: {
          type: "BPE",
          dropout: null,
          unk_token: unk ?? null,
          continuing_subword_prefix: null,
          end_of_word_suffix: null,
          ...kind.model,
          vocab: {},
        },
      },
      "tokenizer_config.json": {
        tokenizer_class: "PreTrainedTokenizerFast",
        bos_token: this.special("bos_token_id"),
        eos_token: this.special("eos_token_id"),
        pad_token: this.special("padding_token_id"),
        unk_token: unk,
        chat_template: chatTemplate,
        clean_up_tokenization_spaces: false,
      },
    };
  }

  #idsByToken(): Map<string, number> {
    const ids = new Map<string, number>();
    for (const [id, token] of this.tokens.entries()) {
      ids.set(token, id);
      if (ids.size > id) continue;
      const first = this.tokens.indexOf(token);
      throw this.error("tokens", `has ${shown(token)} as ${first} and as ${id}; a token must occur once`);
    }
    return ids;
  }

  /** Tokens that are found in the text itself, before any merging. */
  #addedTokens(): JsonObject[] {
    const added: JsonObject[] = [];
    for (const [id, content] of this.tokens.entries()) {
      const special = this.types[id] === unknown || this.types[id] === control;
      if (!special && this.types[id] !== userDefined) continue;
      added.push({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special,
      });
    }
    return added;
  }

  #postProcessor(addBos: boolean): JsonObject | null {
    const bos = this.boolean("add_bos_token", addBos) ? this.#required("bos_token_id") : [];
    const eos = this.boolean("add_eos_token", false) ? this.#required("eos_token_id") : [];
    if (bos.length + eos.length === 0) return null;
    const special = (type_id: number) => (id: string) => ({ SpecialToken: { id, type_id } });
    const sequence = (id: string, type_id: number) => [
      ...bos.map(special(type_id)),
      { Sequence: { id, type_id } },
      ...eos.map(special(type_id)),
    ];
    return {
      type: "TemplateProcessing",
      single: sequence("A", 0),
      pair: [...sequence("A", 0), ...sequence("B", 1)],
      special_tokens: Object.fromEntries(
        [...bos, ...eos].map((token) => [
          token,
          { id: token, ids: [this.tokens.indexOf(token)], tokens: [token] },
        ]),
      ),
    };
  }

  #required(field: string): string[] {
    const token = this.special(field);
    if (token === undefined) throw this.error(field, "is missing, though the file says to add this token");
    return [token];
  }
}
