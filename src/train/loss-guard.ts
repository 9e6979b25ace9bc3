/** How many of the last losses are remembered. */
const window = 20;

/** Tells a step that would ruin a run from one that is merely bad. */
export class LossGuard {
  readonly #maxJump: number;
  #recent: readonly number[];

  /**
   * @param maxJump how far a loss may lie above the mean of the last ones, in nats per token; 0: as far as it likes.
   * @param recent the last losses of a run that goes on.
   */
  constructor(maxJump: number, recent: readonly number[] = []) {
    this.#maxJump = maxJump;
    this.#recent = recent;
  }

  /** The last losses that were taken, the newest last. */
  get recent(): readonly number[] {
    return this.#recent;
  }

  /** What is wrong with a step, as the predicate of a sentence about its loss; undefined when nothing is. */
  problem({ loss, gradNorm }: { readonly loss: number; readonly gradNorm: number }): string | undefined {
    if (!Number.isFinite(loss)) return `is ${loss}`;
    if (!Number.isFinite(gradNorm)) return `is ${short(loss)}, but its gradient's norm is ${gradNorm}`;
    const mean = this.#recent.reduce((sum, recent) => sum + recent, 0) / this.#recent.length;
    const exploded = this.#maxJump > 0 && loss > mean + this.#maxJump; // Without recent losses the mean is NaN.
    return exploded
      ? `is ${short(loss)}, more than ${this.#maxJump} above ${short(mean)}, the mean of the last steps`
      : undefined;
  }

  /** Remembers the loss of a step that was taken. */
  take(loss: number): void {
    this.#recent = [...this.#recent, loss].slice(-window);
  }
}

const short = (x: number): string => String(Number(x.toPrecision(4)));
