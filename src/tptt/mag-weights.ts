import { InputError } from "../errors.js";

/** mu of each titanized layer: the memory's share of its output. */
export class MagWeights {
  readonly #learned: boolean;
  #shares: readonly number[];

  /** @param learned whether mu is learned, so that it cannot be set. */
  constructor(layers: number, share: number, learned: boolean) {
    this.#learned = learned;
    this.#shares = Array<number>(layers).fill(share);
  }

  /** By layer. */
  get shares(): readonly number[] {
    return this.#shares;
  }

  set shares(shares: readonly number[]) {
    if (this.#learned)
      throw new InputError("mag_weight", "cannot be set: mag_mode is dynamic, so mu is learned");
    if (shares.length !== this.#shares.length || shares.some((mu) => !(mu >= 0 && mu <= 1))) {
      throw new InputError(
        "mag_weight",
        `is ${shares.join(", ")}, expected ${this.#shares.length} numbers from 0 to 1`,
      );
    }
    this.#shares = [...shares];
  }

  /** The mean over the layers. */
  get mean(): number {
    const [first = 0] = this.#shares;
    if (this.every(first)) return first;
    return this.#shares.reduce((sum, mu) => sum + mu, 0) / this.#shares.length;
  }

  /** Whether all layers have this share. */
  every(share: number): boolean {
    return this.#shares.every((mu) => mu === share);
  }
}
