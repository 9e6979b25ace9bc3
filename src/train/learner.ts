import type { Batch } from "../data/collate.js";
import type { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { Random } from "../random.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { TrainingArguments } from "./arguments.js";
import { AdamW, type AdamWState } from "./optimizer.js";
import { ParameterVector } from "./parameter-vector.js";

/** What one step of the optimizer told. */
export interface StepResult {
  /** Mean loss of a predicted token, before the step. */
  readonly loss: number;
  /** Tokens predicted. */
  readonly targets: number;
  /** Norm of the gradient, before clipping. */
  readonly gradNorm: number;
}

/** Makes a model better: gradients of batches, clipping, AdamW. Knows nothing of data, schedules or files. */
export class Learner {
  readonly #model: TpttModel;
  readonly #args: TrainingArguments;
  readonly #vector: ParameterVector;
  readonly #optimizer: AdamW;
  #weights: Tensor;

  private constructor(model: TpttModel, args: TrainingArguments, vector: ParameterVector, optimizer: AdamW) {
    this.#model = model;
    this.#args = args;
    this.#vector = vector;
    this.#optimizer = optimizer;
    this.#weights = vector.pack(model.params);
  }

  /** @param state the optimizer's, to go on from. @throws InputError when there is nothing to train. */
  static async create(model: TpttModel, args: TrainingArguments, state?: AdamWState): Promise<Learner> {
    const vector = new ParameterVector(model.trainable);
    if (vector.size === 0) throw new InputError("lora_r", "is not set: there is nothing to train");
    const optimizer = await AdamW.create(vector.decayMask(), args);
    if (state) optimizer.state = state;
    return new Learner(model, args, vector, optimizer);
  }

  get optimizerState(): AdamWState {
    return this.#optimizer.state;
  }

  /**
   * One step along the mean gradient of all tokens in the batches.
   *
   * @throws Error when the loss or its gradient is not a number; the weights are as before then.
   */
  async step(batches: readonly Batch[], learningRate: number): Promise<StepResult> {
    const { seed, gradientCheckpointing: checkpointing } = this.#args;
    const { step } = this.#optimizer.state;
    let gradient: Tensor | undefined;
    let [lossSum, targets] = [0, 0];
    for (const [i, batch] of batches.entries()) {
      const dropoutSeed = Random.for(seed, "dropout", step, i).uint32();
      const pass = await this.#model.lossAndGrad(batch, { seed: dropoutSeed, checkpointing });
      gradient = await this.#optimizer.accumulate(gradient, this.#vector.packGradients(pass.grads));
      lossSum += pass.lossSum;
      targets += pass.targets;
    }
    const loss = lossSum / targets;
    const { weights, gradNorm } = await this.#optimizer.step(
      this.#weights,
      gradient!,
      1 / targets,
      learningRate,
    );
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      throw new Error(
        `step ${step + 1}: the loss is ${loss}, the gradient's norm ${gradNorm}; lower learning_rate, or resume from the last checkpoint`,
      );
    }
    this.#weights = weights;
    this.#model.params = this.#vector.unpack(weights);
    return { loss, targets, gradNorm };
  }

  /** Frees the optimizer. The model keeps its weights. */
  release(): Promise<void> {
    return this.#optimizer.release();
  }
}
