import { type PreTokenizeOptions, PreTokenizer } from "@huggingface/tokenizers";

/** Texts up to this length are quick to merge as they are. */
const short = 16;

/** Merging a character takes as long as the search for neighbours in so many tokens, or longer. */
const tokensForCharacter = 64;

/**
 * Cuts a text where no token can lie across. Merging a whole text at once costs far more than merging words, which
 * come again and are remembered; but a SentencePiece model has no words, and some of its tokens hold spaces. This
 * cuts between two characters that are neighbours in no token: merging never crosses such a place, so the tokens are
 * the same.
 */
export class TextCutter extends PreTokenizer {
  readonly #inner: PreTokenizer | null;
  readonly #tokens: readonly (string | undefined)[];
  #neighbours: ReadonlySet<number> | undefined;
  /** How much text there was to cut so far. */
  #length = 0;

  /**
   * @param inner what cuts first
   * @param tokens every token that merging can give
   */
  constructor(inner: PreTokenizer | null, tokens: readonly (string | undefined)[]) {
    super();
    this.#inner = inner;
    this.#tokens = tokens;
  }

  override pre_tokenize_text(text: string, options?: PreTokenizeOptions): string[] {
    const pieces = this.#inner ? this.#inner.pre_tokenize(text, options) : [text];
    return pieces.flatMap((piece) => (piece.length <= short ? piece : this.#cut(piece)));
  }

  #cut(text: string): string[] {
    this.#length += text.length;
    if (this.#length < this.#tokens.length / tokensForCharacter) return [text];
    this.#neighbours ??= neighboursIn(this.#tokens);
    const pieces: string[] = [];
    let start = 0;
    for (let i = 1; i < text.length; i++) {
      const right = text.charCodeAt(i);
      const insideCharacter = right >= 0xdc00 && right < 0xe000;
      if (insideCharacter || this.#neighbours.has(pair(text.charCodeAt(i - 1), right))) continue;
      pieces.push(text.slice(start, i));
      start = i;
    }
    pieces.push(text.slice(start));
    return pieces;
  }
}

/** All pairs of UTF-16 units that stand side by side in a token. */
function neighboursIn(tokens: readonly (string | undefined)[]): Set<number> {
  const pairs = new Set<number>();
  for (const token of tokens) {
    // Vocabularies have gaps: ids that no token has.
    if (token === undefined) continue;
    for (let i = 1; i < token.length; i++) pairs.add(pair(token.charCodeAt(i - 1), token.charCodeAt(i)));
  }
  return pairs;
}

const pair = (left: number, right: number) => left * 0x10000 + right;
