import { type Params, Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import type { TpttConfig } from "../config/config.js";
import {
  countTargets,
  type EncodeInputs,
  type Encoding,
  type ForwardInputs,
  isRightPadded,
  type LabeledInputs,
  type PathNorms,
  type TokenScores,
  type TokenScoresInputs,
} from "./batch.js";
import { Decoder } from "./decoder.js";
import { compileEncoding, mainInput } from "./encoder-graphs.js";
import type { GraphCache } from "./graph-cache.js";
import { compileHead, compileTokenScores } from "./head-graphs.js";
import {
  compileLogits,
  compileLoss,
  compileLossAndGrad,
  compilePathNorms,
  lossAndGradBytes,
  type SequenceShape,
  type TrainingShape,
} from "./sequence-graphs.js";
import { longestSequence, type MemoryMode, type TitanParts } from "./titan-parts.js";

/** Options of a training pass. */
export interface TrainingPassOptions {
  /** Seed of the dropout masks. */
  readonly seed?: number;
  /**
   * Gradient checkpointing: less memory, one more forward pass. Unless it is said, over quantised weights only: who has
   * these is short of memory (PEFT's `prepare_model_for_kbit_training` does the same).
   */
  readonly checkpointing?: boolean | undefined;
}

/** What a run depends on beside its inputs. */
export interface RunState {
  readonly params: Params;
  readonly mode: MemoryMode;
  /** mu of each titanized layer. */
  readonly magWeights: readonly number[];
  /** Whether mu rises along the sequence. */
  readonly ramp: boolean;
}

/** Runs a titan: there is a graph for each shape of inputs, compiled when it is first needed. */
export class TitanRunner {
  readonly #parts: TitanParts;
  readonly #config: TpttConfig;
  readonly #graphs: GraphCache;

  /** @param graphs those of a titan of the same structure, or none yet. */
  constructor(parts: TitanParts, config: TpttConfig, graphs: GraphCache) {
    this.#parts = parts;
    this.#config = config;
    this.#graphs = graphs;
  }

  /** The hidden states, and what is pooled of them. */
  async encode(inputs: EncodeInputs, state: RunState): Promise<Encoding> {
    const input = mainInput(this.#parts.base, inputs);
    const { attentionMask, tokenTypeIds } = "inputIds" in inputs ? inputs : {};
    const shape = {
      ...this.#shapeOf(input, attentionMask, state),
      input: { dtype: input.dtype, shape: input.shape },
      typed: tokenTypeIds !== undefined,
    };
    const graph = await this.#graphs.get("encoding", shape, () => compileEncoding(this.#parts, shape));
    return graph.run({
      input,
      ...contextFeeds(attentionMask, shape, state),
      ...(tokenTypeIds ? { tokenTypeIds } : {}),
      params: state.params,
    });
  }

  /** [B, S, vocab] */
  async logits({ inputIds, attentionMask }: ForwardInputs, state: RunState): Promise<Tensor> {
    this.#requireHead();
    const shape = this.#shapeOf(inputIds, attentionMask, state);
    const graph = await this.#graphs.get("logits", shape, () => compileLogits(this.#parts, shape));
    return graph.run({ inputIds, ...contextFeeds(attentionMask, shape, state), params: state.params });
  }

  /** The logits, [n, vocab], of hidden states [n, hidden]. */
  async logitsOf(hidden: Tensor, { params }: RunState): Promise<Tensor> {
    this.#requireHead();
    const graph = await this.#graphs.get("head", {}, () => compileHead(this.#parts));
    return graph.run({ hidden, params });
  }

  /** What hidden states [n, hidden] say of targets [n]. */
  async scoreTokens(inputs: TokenScoresInputs, { params }: RunState): Promise<TokenScores> {
    this.#requireHead();
    const shape = { rows: inputs.targets.size, compared: inputs.reference !== undefined };
    const graph = await this.#graphs.get("scores", shape, () => compileTokenScores(this.#parts, shape));
    return graph.run({ ...inputs, params });
  }

  /** The norms of what both paths of each titanized layer add to its output. */
  async pathNorms({ inputIds, attentionMask }: ForwardInputs, state: RunState): Promise<PathNorms> {
    const shape = this.#shapeOf(inputIds, attentionMask, state);
    const graph = await this.#graphs.get("norms", shape, () => compilePathNorms(this.#parts, shape));
    return graph.run({ inputIds, ...contextFeeds(attentionMask, shape, state), params: state.params });
  }

  /** The sum of the losses, and how many tokens were predicted. */
  async loss({ inputIds, attentionMask, labels }: LabeledInputs, state: RunState) {
    this.#requireHead();
    const shape = this.#shapeOf(inputIds, attentionMask, state);
    const graph = await this.#graphs.get("loss", shape, () => compileLoss(this.#parts, shape));
    const feeds = { inputIds, ...contextFeeds(attentionMask, shape, state), labels, params: state.params };
    const loss = await graph.run(feeds);
    return { lossSum: loss.item(), targets: countTargets(labels) };
  }

  /** The sum of the losses, how many tokens were predicted, and the gradient of the sum by parameter name. */
  async lossAndGrad(batch: LabeledInputs, options: TrainingPassOptions, state: RunState) {
    this.#requireHead();
    const { inputIds, attentionMask, labels } = batch;
    const { seed = 0 } = options;
    const shape = this.#trainingShape(this.#shapeOf(inputIds, attentionMask, state), options);
    const graph = await this.#graphs.get("grad", shape, () => compileLossAndGrad(this.#parts, shape));
    const { value, grads } = await graph.run({
      inputIds,
      ...contextFeeds(attentionMask, shape, state),
      labels,
      ...(shape.dropout > 0 ? { seed: Tensor.int64([], [seed]) } : {}),
      params: state.params,
    });
    return { lossSum: value.item(), targets: countTargets(labels), grads };
  }

  /** About the bytes that {@link TitanRunner.lossAndGrad} takes for a batch [B, S], beside the weights. */
  trainingBytes(batch: number, length: number, options: TrainingPassOptions, state: RunState): number {
    this.#requireHead();
    const { mode, ramp } = state;
    const shape = this.#trainingShape({ batch, length, masked: false, mode, ramp }, options);
    return lossAndGradBytes(this.#parts, shape);
  }

  /** A reader with a memory of its own for `batch` sequences, and at once room for so many tokens of each. */
  decoder(batch: number, room: number, { params, mode, magWeights, ramp }: RunState): Decoder {
    this.#requireHead();
    const { base } = this.#parts;
    const { bidirectional, operatorForm } = this.#config;
    if (!base.causal) {
      throw new InputError(
        "model_type",
        `is ${base.config.modelType}, whose tokens see those after them, so that no text can be read in pieces; use generate or forward`,
      );
    }
    if (ramp && mode !== "off") {
      throw new InputError(
        "mag_ramp",
        "is true: mu depends on the length of a text, which grows; turn it off",
      );
    }
    if (bidirectional && mode !== "off") {
      throw new InputError("bidirectional", "is true: memories that look ahead cannot continue a text");
    }
    const wholeCalls = operatorForm === "tptt-0.12" && mode !== "off";
    return new Decoder(this.#parts, batch, { params, mode, magWeights, wholeCalls }, this.#graphs, room);
  }

  /** Lets go of all sessions but the `keep` that were used last; they are made again when they are needed. */
  release(keep = 0): Promise<void> {
    return this.#graphs.release(keep);
  }

  /** @throws InputError when the model predicts no tokens, or is not to. */
  #requireHead(): void {
    const { modelTask } = this.#config;
    if (modelTask === "causal_lm") return;
    throw new InputError(
      "model_task",
      `is ${modelTask}, which predicts no tokens; use encode, or a language model for the task causal_lm`,
    );
  }

  #shapeOf(input: Tensor, attentionMask: Tensor | undefined, { mode, ramp }: RunState): SequenceShape {
    const { base } = this.#parts;
    const batch = input.shape[0]!;
    const length = base.sequenceLength(input.shape);
    const longest = longestSequence(this.#parts, mode);
    if (length > longest) {
      throw new InputError(
        "max_length",
        `is ${length}, the model knows positions up to ${longest}; shorten it`,
      );
    }
    const { bidirectional, poolingConfig } = this.#config;
    const looksAhead = bidirectional || poolingConfig.lookahead || !base.causal;
    const masked = attentionMask !== undefined && (looksAhead || !isRightPadded(attentionMask));
    return { batch, length, masked, mode, ramp };
  }

  #trainingShape(shape: SequenceShape, options: TrainingPassOptions): TrainingShape {
    const { checkpointing = this.#parts.frozen.quantized } = options;
    return { ...shape, dropout: this.#config.loraConfig?.loraDropout ?? 0, checkpointing };
  }
}

function contextFeeds(
  attentionMask: Tensor | undefined,
  { masked, batch, length }: SequenceShape,
  { magWeights }: RunState,
) {
  const mu = Tensor.f32([magWeights.length], magWeights);
  if (!masked || !attentionMask) return { mu };
  return { mu, mask: new Tensor("bool", [batch, length], Uint8Array.from(attentionMask.data, Number)) };
}
