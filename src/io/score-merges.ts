/**
 * The merges of a SentencePiece BPE vocabulary. The model holds only tokens and scores: any two neighbours whose
 * concatenation is a token may merge, the highest score first. Written as merges, that is every way to cut a token into two
 * tokens, in the order of the tokens' scores (so in the order of the tokens' training).
 *
 * A vocabulary has a million such cuts. To encode a text only few are asked for, and the rank of one follows from the
 * score of what it makes: the list is made when a file is to hold it.
 */
export class ScoreMerges {
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #mergeable: readonly number[];
  /** By id: the place among the tokens that can come out of merging; -1 for the others. */
  readonly #places: Int32Array;
  readonly #longest: number;

  /**
   * @param tokens all of them, by id. @param ids by token.
   * @param mergeable ids of those that can come out of merging, highest score first
   */
  constructor(tokens: readonly string[], ids: ReadonlyMap<string, number>, mergeable: readonly number[]) {
    this.#tokens = tokens;
    this.#ids = ids;
    this.#mergeable = mergeable;
    this.#places = new Int32Array(tokens.length).fill(-1);
    for (let place = 0; place < mergeable.length; place++) this.#places[mergeable[place]!] = place;
    this.#longest = tokens.reduce((max, { length }) => Math.max(max, length), 0);
  }

  /**
   * The rank of a merge, in the order of {@link ScoreMerges.list} though with gaps; undefined when there is none.
   *
   * @param pair the two tokens as a JSON list: what the tokenizers library looks merges up by.
   */
  get(pair: string): number | undefined {
    const [left, right] = JSON.parse(pair) as [string, string];
    const place = this.#placeOf(left + right);
    if (place < 0 || this.#placeOf(left) < 0 || this.#placeOf(right) < 0) return undefined;
    return place * this.#longest + left.length;
  }

  #placeOf(token: string): number {
    const id = this.#ids.get(token);
    return id === undefined ? -1 : this.#places[id]!;
  }

  /** All merges, best first. */
  list(): [string, string][] {
    return mergesByScore(this.#mergeable.map((id) => this.#tokens[id]!));
  }
}

/**
 * Every way to cut a token into two, in the order of the tokens. Cuts are looked up by a rolling hash of prefix and
 * suffix in a table of numbers, a third of the time that a `Map` of substrings takes.
 */
function mergesByScore(tokens: readonly string[]): [string, string][] {
  const table = new SubstringTable(tokens);
  const merges: [string, string][] = [];
  for (const token of tokens) {
    table.load(token);
    for (let i = 1; i < token.length; i++) {
      const left = table.find(0, i);
      const right = left === undefined ? undefined : table.find(i, token.length);
      if (left !== undefined && right !== undefined) merges.push([left, right]);
    }
  }
  return merges;
}

const base = 0x01000193;

/** Finds substrings of one text after the other among fixed strings. */
class SubstringTable {
  readonly #strings: readonly string[];
  readonly #mask: number;
  /** Open addressing: index into `strings`, or -1. */
  readonly #slots: Int32Array;
  readonly #hashes: Int32Array;
  readonly #powers: Int32Array;
  /** Hash of every prefix of the loaded text. */
  readonly #prefix: Int32Array;
  #text = "";

  constructor(strings: readonly string[]) {
    this.#strings = strings;
    const longest = strings.reduce((max, { length }) => Math.max(max, length), 0);
    this.#prefix = new Int32Array(longest + 1);
    this.#powers = new Int32Array(longest + 1).fill(1);
    for (let i = 1; i <= longest; i++) this.#powers[i] = Math.imul(this.#powers[i - 1]!, base);
    const size = 2 ** Math.ceil(Math.log2(2 * strings.length + 1));
    this.#mask = size - 1;
    this.#slots = new Int32Array(size).fill(-1);
    this.#hashes = new Int32Array(size);
    for (const [i, string] of strings.entries()) {
      this.load(string);
      const hash = this.#prefix[string.length]!;
      let slot = mix(hash) & this.#mask;
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = i;
      this.#hashes[slot] = hash;
    }
  }

  /** Makes a text (not longer than the longest string) the one that is searched. */
  load(text: string): void {
    this.#text = text;
    let hash = 0;
    for (let i = 0; i < text.length; i++) {
      hash = (Math.imul(hash, base) + text.charCodeAt(i) + 1) | 0;
      this.#prefix[i + 1] = hash;
    }
  }

  /** The string that equals the text from `start` to `end`, if there is one. */
  find(start: number, end: number): string | undefined {
    const length = end - start;
    const hash = (this.#prefix[end]! - Math.imul(this.#prefix[start]!, this.#powers[length]!)) | 0;
    for (let slot = mix(hash) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot]!;
      if (index < 0) return undefined;
      if (this.#hashes[slot] !== hash) continue;
      const string = this.#strings[index]!;
      if (string.length === length && this.#text.startsWith(string, start)) return string;
    }
  }
}

/** Spreads a hash over its low bits. */
function mix(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 16);
}
