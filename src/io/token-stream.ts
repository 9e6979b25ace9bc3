/** Text from ids that come one by one: what is given out is never taken back, and never half a character. */
export class TokenStream {
  readonly #decode: (ids: readonly number[]) => string;
  /** The ids whose text is not all given out, after one id as their context. */
  #ids: number[] = [];
  /** How much of the text of `#ids` is given out. */
  #given = 0;

  constructor(decode: (ids: readonly number[]) => string) {
    this.#decode = decode;
  }

  /** The text that is certain now: what this id adds, without a character that later ids may complete. */
  push(id: number): string {
    this.#ids.push(id);
    const text = this.#decode(this.#ids);
    // Bytes that are no whole character decode to U+FFFD; only the last one may still change.
    const certain = text.endsWith("\ufffd") ? text.length - 1 : text.length;
    const added = text.slice(this.#given, certain);
    this.#given = Math.max(this.#given, certain);
    if (added !== "" && certain === text.length) {
      this.#ids = [id];
      this.#given = this.#decode(this.#ids).length;
    }
    return added;
  }

  /** The rest, when no more ids come: half a character shows as U+FFFD. */
  flush(): string {
    const rest = this.#decode(this.#ids).slice(this.#given);
    this.#ids = [];
    this.#given = 0;
    return rest;
  }
}
