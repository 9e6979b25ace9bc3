import {
  add,
  constant,
  div,
  equal,
  expand,
  linear,
  maximum,
  mean,
  minimum,
  reshape,
  slice,
  Tensor,
  type Value,
  where,
} from "../../engine/index.js";
import { InputError } from "../../errors.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import { type PaddingMode, padTokens } from "./causal-conv.js";
import { precede, steps, type Tailed, tail, takeTokens } from "./tail.js";

/** Options of {@link CausalAvgPool1d}; the defaults are those of Python. */
export interface CausalAvgPool1dOptions {
  /** Features of the input; only checked. */
  readonly inputSize?: number;
  /** Features of the output: means of neighbours, where it differs from the input. */
  readonly outputSize?: number;
  /** Tokens that the mean is taken over. Default 3. */
  readonly kernelSize?: number;
  /** From one of them to the next. Default 1. */
  readonly dilation?: number;
  /** How many tokens the output comes later (or, below 0, earlier); its length is S + offset. Default 0. */
  readonly offset?: number;
  /**
   * The tokens themselves, relative to the one that the mean is for, in place of the three above: 0, -1, -2 is the
   * default mean, 0, 1, 2 the one of tptt 0.12.0, which looks ahead.
   */
  readonly offsets?: readonly number[];
  /** What stands outside the sequence. Default `replicate`. */
  readonly paddingMode?: PaddingMode;
}

/**
 * Mean over tokens t, t - 1 and t - 2, the first token standing in for those before it: what gates are made of (Python's
 * `CausalAvgPool1d`; TPTT, arXiv 2506.17671). Padding does not count: a
 * sequence gives the same, padded or not, whole or in pieces.
 */
export class CausalAvgPool1d {
  /** The tokens of the mean, relative to its own. */
  readonly #offsets: readonly number[];
  readonly #shift: number;
  readonly #mode: PaddingMode;
  readonly #inputSize: number | undefined;
  readonly #outputSize: number | undefined;

  constructor(options: CausalAvgPool1dOptions = {}) {
    const { kernelSize = 3, dilation = 1, offset = 0, offsets, paddingMode = "replicate" } = options;
    this.#offsets = offsets ?? Array.from({ length: kernelSize }, (_, i) => (i + 1 - kernelSize) * dilation);
    this.#shift = offsets ? 0 : offset;
    this.#mode = paddingMode;
    this.#inputSize = options.inputSize;
    this.#outputSize = options.outputSize;
  }

  /** How many tokens before its own a mean sees: the length of the tail. */
  get lookback(): number {
    return Math.max(0, ...this.#offsets.map((offset) => -offset));
  }

  /** How many tokens after its own. */
  get lookahead(): number {
    return Math.max(0, ...this.#offsets);
  }

  /**
   * The means.
   *
   * @param x [B, S, F].
   * @param context says which tokens are real, and whether others came before; without it all are, and none did.
   * @param past the tail that an earlier call gave, [B, lookback, F].
   * @returns the means [B, S + offset, outputSize], and the last tokens for the next call unless the mean looks ahead.
   * @throws InputError when the options allow whole sequences without padding only.
   */
  forward(x: Value, context?: ForwardContext, past?: Value): Partial<Tailed> & { readonly value: Value } {
    const [, length, features] = x.shape as [number, number, number];
    if (this.#inputSize !== undefined && this.#inputSize !== features)
      throw new InputError("input_size", `is ${this.#inputSize}, the input has ${features} features`);
    const { lookback, lookahead } = this;
    const shift = this.#shift;
    const extended =
      context?.mask || context?.past
        ? this.#extend(x, context, past)
        : padTokens(x, lookback + Math.max(0, shift), lookahead, this.#mode);
    const first = lookback + Math.max(0, -shift);
    const means = () => {
      const shifted = this.#offsets.map((offset) =>
        slice(extended, 1, first + offset, first + offset + length + shift),
      );
      return div(shifted.reduce(add), shifted.length);
    };
    const isOne = length + shift === 1 && extended.shape[1] === this.#offsets.length;
    return {
      value: this.#resize(isOne ? mean(extended, [1], true) : means()),
      ...(context && lookback > 0 && lookahead === 0 ? { tail: tail(extended, lookback, context) } : {}),
    };
  }

  /** The tokens with those before and after, [B, lookback + S + lookahead, F], where not all of them are real. */
  #extend(x: Value, context: ForwardContext, past: Value | undefined): Value {
    const { lookback, lookahead } = this;
    if (this.#mode !== "replicate" || this.#shift !== 0)
      throw new InputError(
        "padding_mode",
        "must be replicate, and offset 0, for sequences with padding or in pieces",
      );
    if (lookahead > 0 && context.past)
      throw new InputError("offsets", "look ahead, and so cannot go on with a sequence");
    const { mask, length } = context;
    const ahead = lookahead === 0 ? x : takeTokens(x, untilEnd(context, length + lookahead));
    if (lookback === 0) return ahead;
    const start = mask && length > 1 ? takeTokens(x, reshape(context.start, [-1, 1])) : slice(x, 1, 0, 1);
    const isStart = context.past && reshape(equal(context.past.seen, 0), [-1, 1, 1]);
    const before =
      isStart && past ? where(isStart, start, past) : expand(start, start.shape.with(1, lookback));
    return precede(before, ahead, context);
  }

  /** Means of neighbouring features, as PyTorch's adaptive pooling takes them. */
  #resize(x: Value): Value {
    const size = x.shape[2]!;
    const out = this.#outputSize ?? size;
    if (out === size) return x;
    const weight = new Float32Array(out * size);
    for (let i = 0; i < out; i++) {
      const [start, end] = [Math.floor((i * size) / out), Math.ceil(((i + 1) * size) / out)];
      weight.fill(1 / (end - start), i * size + start, i * size + end);
    }
    return linear(x, constant(Tensor.f32([out, size], weight)));
  }
}

/** 0, 1 .. count - 1, but not beyond the last real token of a row: int64 [B, count]. */
function untilEnd({ end }: ForwardContext, count: number): Value {
  const last = reshape(add(end, -1), [-1, 1]);
  return maximum(minimum(steps(count), last), 0);
}
