import type { Batch } from "../data/collate.js";
import type { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { Random } from "../random.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { TrainingArguments } from "./arguments.js";
import { AdamW, type AdamWState } from "./optimizer.js";
import { ParameterVector } from "./parameter-vector.js";

/** One step of the optimizer, not taken yet. */
export interface ProposedStep {
  /** Mean loss of a predicted token, in nats, before the step. */
  readonly loss: number;
  /** Tokens predicted. */
  readonly targets: number;
  /** Norm of the gradient, before clipping. */
  readonly gradNorm: number;
  /** Takes the step: until then weights and optimizer are as they were. To be called before the next is computed, or never. */
  apply(): void;
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
   * Computes one step along the mean gradient of all tokens in the batches.
   *
   * @param step its number, which dropout follows from.
   */
  async step(batches: readonly Batch[], step: number, learningRate: number): Promise<ProposedStep> {
    const { seed, gradientCheckpointing: checkpointing } = this.#args;
    let gradient: Tensor | undefined;
    let [lossSum, targets] = [0, 0];
    for (const [i, batch] of batches.entries()) {
      const dropoutSeed = Random.for(seed, "dropout", step, i).uint32();
      const pass = await this.#model.lossAndGrad(batch, { seed: dropoutSeed, checkpointing });
      gradient = await this.#optimizer.accumulate(gradient, this.#vector.packGradients(pass.grads));
      lossSum += pass.lossSum;
      targets += pass.targets;
    }
    const before = this.#optimizer.state;
    const { weights, gradNorm } = await this.#optimizer.step(
      this.#weights,
      gradient!,
      1 / targets,
      learningRate,
    );
    const after = this.#optimizer.state;
    this.#optimizer.state = before;
    const apply = () => {
      this.#optimizer.state = after;
      this.#weights = weights;
      this.#model.params = this.#vector.unpack(weights);
    };
    return { loss: lossSum / targets, targets, gradNorm, apply };
  }

  /** Frees the optimizer. The model keeps its weights. */
  release(): Promise<void> {
    return this.#optimizer.release();
  }
}
