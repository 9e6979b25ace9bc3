/** Finds the end of a text that comes in pieces: where the first of some strings begins. */
export class StopStrings {
  readonly #stops: readonly string[];
  /** What may be the beginning of one of them. */
  #held = "";

  /** @param stops strings that end the text and are not part of it; none of them is empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** @returns the text that is certain now, and whether it has ended. */
  push(piece: string): { text: string; ended: boolean } {
    const text = this.#held + piece;
    const found = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#held = "";
      return { text: text.slice(0, Math.min(...found)), ended: true };
    }
    const kept = Math.max(0, ...this.#stops.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - kept);
    return { text: text.slice(0, text.length - kept), ended: false };
  }

  /** The rest, when no more pieces come. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }
}

/** How much of the end of a text is the beginning of a string, and not all of it. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
