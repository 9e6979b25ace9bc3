/** The state of a {@link Random}, as it is written into a checkpoint: four unsigned 32-bit integers. */
export type RandomState = readonly [number, number, number, number];

/**
 * The project's only source of randomness: xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32.
 * Everything random takes a `Random`, so that one seed fixes a run and a saved state continues it.
 */
export class Random {
  #state: [number, number, number, number];

  constructor(seed: number | RandomState) {
    if (typeof seed !== "number") {
      this.#state = [...seed];
      return;
    }
    let s = seed >>> 0;
    const splitmix = () => {
      s = (s + 0x9e3779b9) >>> 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#state = [splitmix(), splitmix(), splitmix(), splitmix()];
  }

  get state(): RandomState {
    return [...this.#state];
  }

  /** A generator of its own for one purpose (a layer, an epoch), independent of how often this one was called. */
  static for(seed: number, ...path: (string | number)[]): Random {
    let hash = (seed ^ 0x811c9dc5) >>> 0;
    for (const char of path.join("/")) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
    return new Random(hash);
  }

  /** An integer, uniform in [0, 2^32). */
  uint32(): number {
    const s = this.#state;
    const rotated = Math.imul(s[1], 5);
    const result = Math.imul((rotated << 7) | (rotated >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    for (let i = 0; i < 4; i++) s[i] = s[i]! >>> 0;
    return result;
  }

  /** Uniform in [0, 1), with 32 bits. */
  uniform(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** An integer, uniform in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** One item of a list. */
  choice<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Shuffles in place (Fisher and Yates) and returns the same array. */
  shuffle<T, Items extends T[] | Uint32Array>(items: Items & { [index: number]: T }): Items {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}
