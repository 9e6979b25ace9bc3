/**
 * The part of `@huggingface/tokenizers` that is used. The package's own declarations import each other without file
 * extensions, which `moduleResolution: nodenext` does not follow: everything would be `any`.
 */
declare module "@huggingface/tokenizers" {
  interface PreTokenizeOptions {
    /** Which piece between added tokens this is, from 0. */
    section_index?: number;
  }

  export abstract class PreTokenizer {
    pre_tokenize(text: string | string[], options?: PreTokenizeOptions): string[];
    abstract pre_tokenize_text(text: string, options?: PreTokenizeOptions): string[];
  }

  export class Model {
    /** Tokens by id; a gap is `undefined`. */
    vocab: (string | undefined)[];
    tokens_to_ids: ReadonlyMap<string, number>;
    unk_token: string | null | undefined;
    unk_token_id: number | undefined;
    end_of_word_suffix?: string | null;
  }

  export class BPE extends Model {
    /** Ranks of merges, by the two tokens as a JSON list. */
    bpe_ranks: Pick<ReadonlyMap<string, number>, "get">;
    continuing_subword_suffix: string | null;
  }

  export class Decoder {
    decode(tokens: string[]): string;
  }

  export class SequenceDecoder extends Decoder {
    decoders: Decoder[];
  }

  export class ByteFallbackDecoder extends Decoder {
    text_decoder: TextDecoder;
  }

  export class Tokenizer {
    pre_tokenizer: PreTokenizer | null;
    model: Model;
    decoder: Decoder | null;
    /** @throws Error when the parsed files are not those of a tokenizer. */
    constructor(tokenizer: object, config: object);
    encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
    /** @throws Error when there are no ids. */
    decode(ids: number[], options?: { clean_up_tokenization_spaces?: boolean }): string;
    token_to_id(token: string): number | undefined;
    id_to_token(id: number): string | undefined;
  }
}
