import { cast, constant, cos, mul, reshape, rotary, sin, Tensor, type Value } from "../engine/index.js";
import type { ForwardContext } from "./forward-context.js";

/** How rotary frequencies are stretched for longer contexts; the names are those of Hugging Face configs. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    };

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864): channel i of a head is turned, together with channel
 * i + D/2, by position * frequency_i.
 */
export class RotaryEmbedding {
  readonly #dim: number;
  readonly #theta: number;
  readonly #scaling: RopeScaling;
  #frequencies: readonly number[] | undefined;

  /** @param dim head size D. @param theta base of the frequencies. */
  constructor(dim: number, theta: number, scaling: RopeScaling = { type: "default" }) {
    this.#dim = dim;
    this.#theta = theta;
    this.#scaling = scaling;
  }

  /** [D / 2]. Made when first asked for: by then the head size of a config is known to be that of its weights. */
  get frequencies(): readonly number[] {
    const plain = (i: number) => this.#theta ** ((-2 * i) / this.#dim);
    this.#frequencies ??= Array.from({ length: this.#dim / 2 }, (_, i) => stretch(plain(i), this.#scaling));
    return this.#frequencies;
  }

  /** Turns x [B, H, S, D] by the positions of its tokens. */
  forward(x: Value, context: ForwardContext): Value {
    const { cos, sin, rows } = context.memo(this, () => this.#table(context));
    return rotary(x, cos, sin, rows);
  }

  /** One row of the table for each token: known at compile time when the positions are. */
  #table({ batch, length, positions }: ForwardContext): { cos: Value; sin: Value; rows: Value } {
    const half = this.frequencies.length;
    if (positions === undefined) {
      const angles = Array.from({ length }, (_, t) => this.frequencies.map((f) => t * f)).flat();
      const table = (fn: (x: number) => number) => constant(Tensor.f32([length, half], angles.map(fn)));
      const rows = Array.from({ length: batch * length }, (_, i) => i % length);
      return {
        cos: table(Math.cos),
        sin: table(Math.sin),
        rows: constant(Tensor.int64([batch, length], rows)),
      };
    }
    const frequencies = constant(Tensor.f32([1, half], this.frequencies));
    const angles = mul(reshape(cast(positions, "f32"), [-1, 1]), frequencies);
    const rows = Array.from({ length: batch * length }, (_, i) => i);
    return { cos: cos(angles), sin: sin(angles), rows: constant(Tensor.int64([batch, length], rows)) };
  }
}

function stretch(frequency: number, scaling: RopeScaling): number {
  if (scaling.type === "default") return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  // Llama 3.1: long waves are divided, short ones kept, those between blended.
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = scaling;
  const turns = (originalMaxPositionEmbeddings * frequency) / (2 * Math.PI);
  const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  const kept = Math.min(1, Math.max(0, smooth));
  return (1 - kept) * (frequency / factor) + kept * frequency;
}
