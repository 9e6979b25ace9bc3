import {
  add,
  concat,
  expand,
  flip,
  matmul,
  type Parameter,
  parameter,
  reshape,
  scalar,
  slice,
  split,
  transpose,
  type Value,
} from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { Module } from "../../nn/module.js";

/** What stands outside the ends of a sequence, as in PyTorch: a number, the end itself, the mirror image, the other end. */
export type PaddingMode = "constant" | "replicate" | "reflect" | "circular";

/** x [B, S, F] with tokens added at its ends: [B, left + S + right, F]. `value` is that of the mode `constant`. */
export function padTokens(x: Value, left: number, right: number, mode: PaddingMode, value = 0): Value {
  return concat(
    [
      ...(left > 0 ? [outside(x, left, true, mode, value)] : []),
      x,
      ...(right > 0 ? [outside(x, right, false, mode, value)] : []),
    ],
    1,
  );
}

function outside(x: Value, count: number, left: boolean, mode: PaddingMode, value: number): Value {
  const length = x.shape[1]!;
  const tokens = (start: number, end: number) => slice(x, 1, start, end);
  switch (mode) {
    case "constant":
      return expand(scalar(value, x.dtype), x.shape.with(1, count));
    case "replicate":
      return expand(left ? tokens(0, 1) : tokens(length - 1, length), x.shape.with(1, count));
    case "reflect":
      return flip(left ? tokens(1, count + 1) : tokens(length - 1 - count, length - 1), 1);
    case "circular":
      return left ? tokens(length - count, length) : tokens(0, count);
  }
}

/** Options of {@link CausalConv1d}; the defaults are those of Python. */
export interface CausalConv1dOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Taps of the kernel. */
  readonly kernelSize: number;
  /** Tokens from one tap to the next. Default 1. */
  readonly dilation?: number;
  /** How many tokens the output comes later (or, below 0, earlier); its length is S + offset. Default 0. */
  readonly offset?: number;
  /** What stands before the first token. Default `constant`. */
  readonly paddingMode?: PaddingMode;
  /** The number of the mode `constant`. Default 0. */
  readonly paddingValue?: number;
  /** Parts that channels are cut into, each convolved by itself. Default: every input channel is one. */
  readonly groups?: number;
}

/** The parameters of a convolution, a module of its own for the name that PyTorch gives them. */
export class Conv1d extends Module {
  /** [out, in / groups, kernel] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias: Parameter;

  constructor(outChannels: number, inPerGroup: number, kernelSize: number) {
    super();
    this.weight = parameter(outChannels, inPerGroup, kernelSize);
    this.bias = parameter(outChannels);
  }

  /** A tenth of what keeps the input's variance: the output begins near 0. */
  override get initialStd(): number {
    const [, inPerGroup, kernelSize] = this.weight.shape as [number, number, number];
    return 0.1 * (inPerGroup * kernelSize) ** -0.5;
  }
}

/**
 * A convolution over tokens that looks back only (`CausalConv1d` of tptt 0.12.1, but for its groups, which may be given):
 * y[t] = b + sum over j of W[j] x[t - (kernel - 1 - j) dilation - offset].
 */
export class CausalConv1d extends Module {
  readonly conv1d: Conv1d;
  readonly #options: Required<CausalConv1dOptions>;

  /** @throws InputError when the groups do not divide the channels. */
  constructor(options: CausalConv1dOptions) {
    super();
    const { inChannels, outChannels, kernelSize, groups = inChannels } = options;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new InputError(
        "groups",
        `is ${groups}, expected a divisor of in_channels ${inChannels} and out_channels ${outChannels}`,
      );
    }
    this.#options = { dilation: 1, offset: 0, paddingMode: "constant", paddingValue: 0, ...options, groups };
    this.conv1d = new Conv1d(outChannels, inChannels / groups, kernelSize);
  }

  get inChannels(): number {
    return this.#options.inChannels;
  }

  /** How many tokens before its own an output sees. */
  get lookback(): number {
    return (this.#options.kernelSize - 1) * this.#options.dilation;
  }

  /** [B, in, S] -> [B, out, S + offset]. @throws InputError when the input has other channels. */
  forward(x: Value): Value {
    const { inChannels } = this;
    if (x.shape.length !== 3 || x.shape[1] !== inChannels)
      throw new InputError("x", `is [${x.shape}], expected [B, ${inChannels}, S]: in_channels of them`);
    const { offset, paddingMode, paddingValue } = this.#options;
    const tokens = transpose(x, [0, 2, 1]);
    const left = this.lookback + Math.max(0, offset);
    const y = this.convolve(padTokens(tokens, left, 0, paddingMode, paddingValue));
    return transpose(slice(y, 1, Math.max(0, -offset), y.shape[1]!), [0, 2, 1]);
  }

  /** Tokens with those before them, [B, lookback + S, in], to [B, S, out]. */
  convolve(x: Value): Value {
    const { kernelSize, dilation, groups, inChannels, outChannels } = this.#options;
    const [batch, extended] = x.shape as [number, number];
    const [inputs, outputs] = [inChannels / groups, outChannels / groups];
    const length = extended - this.lookback;
    // All taps at once: [groups, tokens, in] x [groups, in, kernel * out], then a sum over shifted tokens.
    const rows = transpose(reshape(x, [batch * extended, groups, inputs]), [1, 0, 2]);
    const weight = reshape(this.conv1d.weight, [groups, outputs, inputs, kernelSize]);
    const taps = reshape(transpose(weight, [0, 2, 3, 1]), [groups, inputs, kernelSize * outputs]);
    const products = reshape(matmul(rows, taps), [groups, batch, extended, kernelSize, outputs]);
    const y = split(products, 3, Array<number>(kernelSize).fill(1))
      .map((tap, j) => slice(tap, 2, j * dilation, j * dilation + length))
      .reduce(add);
    const merged = reshape(transpose(y, [1, 2, 0, 3, 4]), [batch, length, outChannels]);
    return add(merged, this.conv1d.bias);
  }
}
