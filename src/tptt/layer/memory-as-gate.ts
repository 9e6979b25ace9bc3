import { add, mul, scalar, sigmoid, sub, Value, zeros } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { ForwardContext } from "../../nn/forward-context.js";
import { Module } from "../../nn/module.js";
import type { MagMode } from "../config/config.js";
import { CausalConv1d } from "../memory/causal-conv.js";
import { precede, type Tailed, tail } from "../memory/tail.js";

/** The least and the largest mu of a learned gate. */
const [least, largest] = [0.1, 0.9];

/** Options of {@link MemoryAsGate}; the defaults are those of Python. */
export interface MemoryAsGateOptions {
  /** Features of the layer's input; needed by the mode `dynamic`. */
  readonly hiddenDim?: number | undefined;
  readonly mode?: MagMode | undefined;
  /** mu of the mode `constant`, 0..1. Default 0.5. */
  readonly magRatio?: number | undefined;
  /** Adds the product of the two weighted outputs. */
  readonly crossGate?: boolean | undefined;
}

/**
 * Memory as Gate (Titans, arXiv 2501.00663; TPTT, arXiv 2506.17671): how much of a layer's output comes from the
 * memory. In the mode `dynamic` mu is 0.1 + 0.8 sigmoid(c), where c is a causal convolution of the layer's input over 16
 * tokens. (In tptt 0.12.1 that mode fails: it makes one group for each input channel, which one output channel cannot
 * have.)
 */
export class MemoryAsGate extends Module {
  /** The convolution of the mode `dynamic`. */
  readonly dynamic_gate?: CausalConv1d;
  /**
   * mu of the mode `constant`: while a graph is traced an input of it, so that a schedule changes mu without a new
   * session; a scalar, or [1, S, 1] for a mu of each token. The number 1 leaves softmax attention out of the graph.
   */
  magWeight: Value | number;
  readonly #crossGate: boolean;

  /** @throws InputError when a learned gate is not told the features of its input. */
  constructor({ hiddenDim, mode = "constant", magRatio = 0.5, crossGate = false }: MemoryAsGateOptions = {}) {
    super();
    this.magWeight = magRatio;
    this.#crossGate = crossGate;
    if (mode === "constant") return;
    if (hiddenDim === undefined)
      throw new InputError("hidden_dim", "is not given; a dynamic gate needs the features of its input");
    this.dynamic_gate = new CausalConv1d({
      inChannels: hiddenDim,
      outChannels: 1,
      kernelSize: 16,
      groups: 1,
    });
    for (const [, parameter] of this.dynamic_gate.namedParameters()) parameter.trainable = true;
  }

  get mode(): MagMode {
    return this.dynamic_gate ? "dynamic" : "constant";
  }

  /** True where no softmax attention is needed. */
  get memoryOnly(): boolean {
    return this.mode === "constant" && this.magWeight === 1;
  }

  /** Whether gating commutes with a linear map, so that both paths can share one output projection. */
  get isLinear(): boolean {
    return !this.#crossGate;
  }

  /** What a learned gate keeps between calls, by shape: the last inputs. */
  stateShape(batch: number): readonly number[] | undefined {
    const gate = this.dynamic_gate;
    return gate && [batch, gate.lookback, gate.inChannels];
  }

  /**
   * mu of every token.
   *
   * @param x the layer's input, [B, S, hidden]. @param past the tail that an earlier call gave, {@link stateShape}.
   * @returns mu: [B, S, 1], or what broadcasts to it; and a learned gate's last inputs for the next call.
   */
  forward(
    x: Value,
    context = new ForwardContext({ batch: x.shape[0]!, length: x.shape[1]! }),
    past?: Value,
  ): Partial<Tailed> & { readonly value: Value } {
    const { dynamic_gate: gate, magWeight } = this;
    if (!gate) return { value: magWeight instanceof Value ? magWeight : scalar(magWeight) };
    const before = past ?? zeros(x.dtype, x.shape.with(1, gate.lookback));
    const extended = precede(before, x, context);
    const share = sigmoid(gate.convolve(extended));
    return {
      value: add(mul(share, largest - least), least),
      tail: tail(extended, gate.lookback, context),
    };
  }

  /** (1 - mu) softmax + mu linear, plus the product of the two terms with a cross gate; all [B, S, ..]. */
  mix(softmax: Value, linear: Value, mu: Value): Value {
    const fromAttention = mul(sub(1, mu), softmax);
    const fromMemory = mul(linear, mu);
    const sum = add(fromAttention, fromMemory);
    return this.#crossGate ? add(sum, mul(fromAttention, fromMemory)) : sum;
  }
}
