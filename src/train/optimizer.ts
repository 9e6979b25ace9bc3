import {
  add,
  compile,
  div,
  maximum,
  mul,
  neg,
  sqrt,
  sub,
  sum,
  Tensor,
  type TypeInfo,
  type Value,
} from "../engine/index.js";

/** Hyperparameters that stay the same for a run. */
export interface AdamWOptions {
  readonly weightDecay: number;
  /** Gradients are scaled down to this norm; 0: never. */
  readonly maxGradNorm: number;
}

/** What the optimizer remembers between steps. */
export interface AdamWState {
  /** Steps taken. */
  readonly step: number;
  /** Running mean of the gradient, [P]. */
  readonly mean: Tensor;
  /** Running mean of its square, [P]. */
  readonly square: Tensor;
}

const [beta1, beta2, eps] = [0.9, 0.999, 1e-8];
const scalar: TypeInfo = { dtype: "f32", shape: [] };

interface StepInputs {
  readonly weights: Value;
  readonly gradient: Value;
  readonly mean: Value;
  readonly square: Value;
  readonly decay: Value;
  readonly scale: Value;
  readonly learningRate: Value;
  readonly meanCorrection: Value;
  readonly squareCorrection: Value;
}

/** One step, as PyTorch's AdamW after clip_grad_norm_. */
function adamWStep(inputs: StepInputs, { weightDecay, maxGradNorm }: AdamWOptions) {
  const { weights, gradient, mean, square, decay, learningRate } = inputs;
  const averaged = mul(gradient, inputs.scale);
  const norm = sqrt(sum(mul(averaged, averaged)));
  // min(1, max / norm), the other way round because there is a maximum.
  const g = maxGradNorm > 0 ? div(averaged, maximum(div(add(norm, 1e-6), maxGradNorm), 1)) : averaged;
  const newMean = add(mul(mean, beta1), mul(g, 1 - beta1));
  const newSquare = add(mul(square, beta2), mul(mul(g, g), 1 - beta2));
  const denominator = add(div(sqrt(newSquare), sqrt(inputs.squareCorrection)), eps);
  const update = div(div(newMean, inputs.meanCorrection), denominator);
  const kept = add(mul(mul(decay, weightDecay), neg(learningRate)), 1);
  return {
    weights: sub(mul(weights, kept), mul(update, learningRate)),
    mean: newMean,
    square: newSquare,
    norm,
  };
}

const vector = (size: number): TypeInfo => ({ dtype: "f32", shape: [size] });

function compileStep(size: number, options: AdamWOptions) {
  return compile((inputs: StepInputs) => adamWStep(inputs, options), {
    inputs: {
      weights: vector(size),
      gradient: vector(size),
      mean: vector(size),
      square: vector(size),
      decay: vector(size),
      scale: scalar,
      learningRate: scalar,
      meanCorrection: scalar,
      squareCorrection: scalar,
    },
  });
}

function compileSum(size: number) {
  return compile(({ a, b }) => ({ sum: add(a, b) }), { inputs: { a: vector(size), b: vector(size) } });
}

/** AdamW (Loshchilov and Hutter, arXiv 1711.05101) over one vector of parameters, with clipping by global norm. */
export class AdamW {
  readonly #step: Awaited<ReturnType<typeof compileStep>>;
  readonly #sum: Awaited<ReturnType<typeof compileSum>>;
  readonly #decay: Tensor;
  state: AdamWState;

  private constructor(
    step: Awaited<ReturnType<typeof compileStep>>,
    sum: Awaited<ReturnType<typeof compileSum>>,
    decay: Tensor,
  ) {
    this.#step = step;
    this.#sum = sum;
    this.#decay = decay;
    this.state = {
      step: 0,
      mean: Tensor.zeros("f32", decay.shape),
      square: Tensor.zeros("f32", decay.shape),
    };
  }

  /** @param decay [P], 1 where weight decay applies, else 0. */
  static async create(decay: Tensor, options: AdamWOptions): Promise<AdamW> {
    return new AdamW(await compileStep(decay.size, options), await compileSum(decay.size), decay);
  }

  /** Adds up gradients of several batches. */
  async accumulate(before: Tensor | undefined, gradient: Tensor): Promise<Tensor> {
    return before ? (await this.#sum.run({ a: before, b: gradient })).sum : gradient;
  }

  /**
   * Takes one step.
   *
   * @param gradient [P], summed over tokens. @param scale what makes it a mean: 1 / number of tokens.
   * @returns the new weights [P] and the norm of the mean gradient before clipping.
   */
  async step(
    weights: Tensor,
    gradient: Tensor,
    scale: number,
    learningRate: number,
  ): Promise<{ weights: Tensor; gradNorm: number }> {
    const step = this.state.step + 1;
    const result = await this.#step.run({
      weights,
      gradient,
      mean: this.state.mean,
      square: this.state.square,
      decay: this.#decay,
      scale: Tensor.scalar(scale),
      learningRate: Tensor.scalar(learningRate),
      meanCorrection: Tensor.scalar(1 - beta1 ** step),
      squareCorrection: Tensor.scalar(1 - beta2 ** step),
    });
    this.state = { step, mean: result.mean, square: result.square };
    return { weights: result.weights, gradNorm: result.norm.item() };
  }

  async release(): Promise<void> {
    await this.#step.release();
    await this.#sum.release();
  }
}
