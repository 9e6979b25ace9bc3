import { dirname } from "node:path";
import {
  type Device,
  type Parameter,
  type Params,
  type ProductType,
  requireDevice,
  type Tensor,
} from "../engine/index.js";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import type { License } from "../io/license.js";
import type { Tokenizer } from "../io/tokenizer.js";
import type { Backbone } from "../models/backbone.js";
import { LanguageModel } from "../models/language-model.js";
import { initialTensors } from "../nn/init.js";
import { Random } from "../random.js";
import { type RetieOptions, retieHead } from "./compat/retie.js";
import type { TpttConfig, TpttConfigOptions } from "./config/config.js";
import { loadTpttSafetensors } from "./files/adapter-file.js";
import { writeMerged } from "./files/merge.js";
import { type FromPretrainedOptions, openTitan, type TpttModelParts } from "./files/open-titan.js";
import { writePeftAdapter } from "./files/peft-adapter.js";
import { type LoadedDecoder, loadDecoder, saveDecoder } from "./files/saved-decoder.js";
import type { TitanSnapshot } from "./files/snapshot.js";
import { writeTitan } from "./files/titan-folder.js";
import type {
  EncodeInputs,
  Encoding,
  ForwardInputs,
  LabeledInputs,
  PathNorms,
  TokenScores,
  TokenScoresInputs,
} from "./graphs/batch.js";
import type { Decoder } from "./graphs/decoder.js";
import { SharedBase } from "./graphs/shared-base.js";
import { longestSequence, type MemoryMode, type TitanParts } from "./graphs/titan-parts.js";
import { type RunState, TitanRunner, type TrainingPassOptions } from "./graphs/titan-runner.js";
import { titanize } from "./layer/titanize.js";
import { MagWeights } from "./mag-weights.js";
import { type GenerateOptions, streamText } from "./text-generation.js";

/**
 * A pretrained transformer with a memory in every attention layer (LiZA) and trainable low-rank updates (LoRA).
 *
 *     const model = await TpttModel.fromPretrained("gemma.gguf", { operatorMode: "delta_rule", loraConfig: { r: 8 } });
 *     for await (const text of model.stream({ prompt: "The capital of France is" })) process.stdout.write(text);
 */
export class TpttModel {
  readonly config: TpttConfig;
  /** The base model's config in Hugging Face's form. */
  readonly baseConfig: JsonObject;
  /** The license that the base model's files name. */
  readonly baseLicense: License | undefined;
  readonly tokenizer: Tokenizer | undefined;
  /** Tokens that end a text. */
  readonly eosTokenIds: readonly number[];
  /** What training changes. */
  readonly trainable: readonly Parameter[];
  /** The trained weights by name: replaced, never changed in place, by whoever trains them. */
  params: Params = {};
  /** Leaves the memories out: the base model, with LoRA if there is one. */
  disableLinearAttn: boolean;
  /**
   * mu rises along whole sequences: that of token t (padding counted) is magWeight t / (S - 1). For training; a text
   * that grows has no length, so it cannot be decoded.
   */
  magRamp = false;
  readonly #parts: TitanParts;
  readonly #runner: TitanRunner;
  readonly #magWeights: MagWeights;
  readonly #sharedBase: SharedBase;
  readonly #ownsBase: boolean;
  /** The trained weights as they were read, and from which folder. */
  #loaded: { readonly params: Params; readonly folder: string } | undefined;

  /** Titanizes a base model; `params` must be set before it runs ({@link TpttModel.initializeParams}). */
  constructor(parts: TpttModelParts);
  /** @internal @param sharedBase the base model of another titan, which owns it. */
  constructor(parts: TpttModelParts, sharedBase: SharedBase);
  constructor(
    {
      config,
      baseConfig,
      baseLicense,
      base,
      basePath = config.baseModelPath,
      frozen,
      tokenizer,
      eosTokenIds = [],
      trainableParameters = [],
      device = "cpu",
    }: TpttModelParts,
    sharedBase?: SharedBase,
  ) {
    this.baseConfig = baseConfig;
    this.baseLicense = baseLicense;
    this.tokenizer = tokenizer;
    this.eosTokenIds = eosTokenIds;
    this.disableLinearAttn = config.disableLinearAttn;
    const titan = titanize(base, config, trainableParameters);
    const { wrapped, lora, linearCache, trainable } = titan;
    this.config = titan.config;
    this.trainable = trainable;
    this.#parts = { base, wrapped, lora, linearCache, frozen, device };
    this.#magWeights = new MagWeights(wrapped.length, config.magWeight, config.magMode === "dynamic");
    this.#ownsBase = sharedBase === undefined;
    this.#sharedBase = sharedBase ?? new SharedBase(basePath, frozen);
    this.#runner = new TitanRunner(this.#parts, this.config, this.#sharedBase.graphsOf(this.#build));
  }

  /**
   * Opens a model.
   *
   * @param name a base model (a GGUF file, a Hugging Face folder), which becomes a titan as the options say; or the
   * folder of a saved titan or of a PEFT adapter, of which the options change what they name. An adapter's base model
   * gets no memories unless the options name an operator. Each may be one of the hub, `org/name[@revision][/subfolder]`;
   * a path that is there comes first.
   * @throws InputError naming the file and field, or the option, that is wrong.
   */
  static async fromPretrained(
    name: string,
    { seed = 0, ...options }: FromPretrainedOptions = {},
  ): Promise<TpttModel> {
    await requireDevice(options.device ?? "cpu");
    const { parts, trained } = await openTitan(name, options);
    try {
      const model = new TpttModel(parts);
      await (trained === undefined ? model.initializeParams(seed) : model.loadParams(trained));
      return model;
    } catch (error) {
      await parts.frozen.dispose();
      throw error;
    }
  }

  /**
   * Opens a saved titan or a PEFT adapter of the same base model, over the weights that are loaded: what it takes is what
   * was trained, and graphs of its own unless another of these models is built alike. It lives as long as this model.
   *
   * @throws InputError naming the file and field that is wrong, or when the base is another one.
   */
  async openAdapter(
    path: string,
    options: TpttConfigOptions & Pick<FromPretrainedOptions, "hubObserver"> = {},
  ): Promise<TpttModel> {
    const { parts, trained } = await openTitan(path, { ...options, device: this.device }, this.#sharedBase);
    const model = new TpttModel(parts, this.#sharedBase);
    await model.loadParams(trained!);
    return model;
  }

  /** What its graphs depend on, beside the base model: not what they are given, weights and mu. */
  get #build(): string {
    const given = { mag_weight: 0, disable_linear_attn: false, base_model_name: "", name_or_path: "" };
    const fields = Object.entries({ ...this.config.toJson(this.baseConfig), ...given });
    const byName = fields.sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify([byName, this.trainable.map(({ name }) => name)]);
  }

  /** Sets first values of the trained weights: low-rank updates are drawn, the base model's own are the pretrained. */
  async initializeParams(seed: number): Promise<void> {
    const { base, frozen } = this.#parts;
    const drawn = new Set(this.trainable.filter(({ name }) => !frozen.has(name)));
    const tensors = initialTensors(base, Random.for(seed, "parameters"), (parameter) => drawn.has(parameter));
    for (const { name } of this.trainable) if (frozen.has(name)) tensors.set(name, await frozen.read(name));
    this.params = Object.fromEntries(tensors);
  }

  /** Reads the trained weights from a file that {@link TpttModel.savePretrained} or Python wrote. */
  async loadParams(path: string): Promise<void> {
    if (this.trainable.length === 0) return;
    this.params = Object.fromEntries(await loadTpttSafetensors(path, this.trainable));
    this.#loaded = { params: this.params, folder: dirname(path) };
  }

  /** Where the graphs run. */
  get device(): Device {
    return this.#parts.device;
  }

  /** The type in which products with the base model's matrices are computed. */
  get dtype(): ProductType {
    return this.#parts.frozen.dtype;
  }

  /** The transformer inside, its attention layers wrapped. */
  get base(): Backbone {
    return this.#parts.base;
  }

  /**
   * mu, the memory's share of the titanized layers' outputs, 0..1; their mean where the layers differ. Not used where
   * it is learned (`magMode: "dynamic"`).
   */
  get magWeight(): number {
    return this.#magWeights.mean;
  }

  set magWeight(mu: number) {
    this.magWeights = this.magWeights.map(() => mu);
  }

  /** mu of each titanized layer, for experiments; what is saved is `magWeight`. */
  get magWeights(): readonly number[] {
    return this.#magWeights.shares;
  }

  /** @throws InputError when there is not one share from 0 to 1 for each titanized layer, or mu is learned. */
  set magWeights(shares: readonly number[]) {
    this.#magWeights.shares = shares;
  }

  /** Which of the two paths a graph needs at the present mu. */
  get memoryMode(): MemoryMode {
    if (this.disableLinearAttn) return "off";
    if (this.config.magMode === "dynamic") return "mixed";
    if (this.#magWeights.every(0)) return "off";
    return this.#magWeights.every(1) && !this.magRamp ? "only" : "mixed";
  }

  /** What a run depends on, as it is now. */
  #state(mode = this.memoryMode): RunState {
    return { params: this.params, mode, magWeights: this.magWeights, ramp: this.magRamp };
  }

  /** The token that stands for one not yet known, where the base model writes by diffusion. */
  get maskTokenId(): number | undefined {
    return this.base instanceof LanguageModel ? this.base.maskTokenId : undefined;
  }

  /** The longest sequence that the model can read at its present mu, in tokens. */
  get maxLength(): number {
    return longestSequence(this.#parts, this.memoryMode);
  }

  /** The tokenizer. @throws InputError when the model has none. */
  requireTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    if (!this.base.inputs.includes("inputIds")) {
      throw new InputError(
        "model_type",
        `is ${this.base.config.modelType}, which reads no text; give its ${this.base.inputs.join(" and ")} to encode`,
      );
    }
    throw new InputError(
      this.config.baseModelName,
      "has no tokenizer; add tokenizer.json to the model's folder",
    );
  }

  /**
   * The hidden states of whole sequences or images: what transformers' `AutoModel` gives.
   *
   * @throws InputError when the model reads something else.
   */
  encode(inputs: EncodeInputs): Promise<Encoding> {
    return this.#runner.encode(inputs, this.#state());
  }

  /** The logits, [n, vocab], that hidden states [n, hidden] stand for: some rows of what {@link TpttModel.encode} gives. */
  logitsOf(hidden: Tensor): Promise<Tensor> {
    return this.#runner.logitsOf(hidden, this.#state());
  }

  /** What hidden states say of tokens that may follow; logits of them all never exist at once. */
  scoreTokens(inputs: TokenScoresInputs): Promise<TokenScores> {
    return this.#runner.scoreTokens(inputs, this.#state());
  }

  /** How much attention and memory add to the output of each titanized layer, at the present mu, also where that is 0 or 1. */
  pathNorms(inputs: ForwardInputs): Promise<PathNorms> {
    return this.#runner.pathNorms(inputs, this.#state("mixed"));
  }

  /**
   * Runs whole sequences.
   *
   * @returns logits [B, S, vocab] and, with labels, the mean loss of a predicted token.
   * @throws InputError when the model predicts no tokens.
   */
  async forward(inputs: ForwardInputs): Promise<{ logits: Tensor; loss?: number }> {
    const logits = await this.#runner.logits(inputs, this.#state());
    if (!inputs.labels) return { logits };
    const { lossSum, targets } = await this.loss({ ...inputs, labels: inputs.labels });
    return { logits, loss: lossSum / targets };
  }

  /** The sum of a batch's next-token losses, and how many tokens were predicted. */
  loss(batch: LabeledInputs): Promise<{ lossSum: number; targets: number }> {
    return this.#runner.loss(batch, this.#state());
  }

  /**
   * One step's forward and backward pass.
   *
   * @returns the sum of the losses, and its gradient by parameter name.
   */
  lossAndGrad(batch: LabeledInputs, options: TrainingPassOptions = {}) {
    return this.#runner.lossAndGrad(batch, options, this.#trainingState());
  }

  /** About the bytes that {@link TpttModel.lossAndGrad} takes for a batch [B, S], beside the weights. */
  trainingBytes(batch: number, length: number, options: TrainingPassOptions = {}): number {
    return this.#runner.trainingBytes(batch, length, options, this.#trainingState());
  }

  /** Training keeps both paths in its graph, so that a schedule of mu needs no other. */
  #trainingState(): RunState {
    return this.#state(this.disableLinearAttn ? "off" : "mixed");
  }

  /**
   * A reader with a memory of its own for `batch` sequences.
   *
   * @param room tokens of a sequence for which there is room at once, at least 256. Room doubles when there are more, and each
   * size has graphs of its own.
   * @throws InputError when the model predicts no tokens, tokens or memories look ahead, or mu rises along the sequence.
   */
  decoder(batch = 1, room = 0): Decoder {
    return this.#runner.decoder(batch, room, this.#state());
  }

  /**
   * Writes what a decoder of this model remembers, LCache and keys and values, into a safetensors file.
   *
   * @param metadata what is to be kept beside it: text by name.
   */
  saveDecoder(
    path: string,
    decoder: Decoder,
    metadata: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    return saveDecoder(path, decoder, metadata, this.#snapshot());
  }

  /**
   * A decoder that goes on where the one in the file stopped, in this process or another, with the same logits.
   *
   * @throws InputError when the file is damaged, or was written by another model, with other weights or at another mu:
   * which of them, and what to do.
   */
  loadDecoder(path: string): Promise<LoadedDecoder> {
    return loadDecoder(path, (batch) => this.decoder(batch), this.#snapshot());
  }

  /** Continues a prompt, piece by piece. @throws InputError for an impossible option. */
  stream(options: GenerateOptions): AsyncGenerator<string> {
    return streamText(this, options);
  }

  /** Continues a prompt; gives the new text. @throws InputError for an impossible option. */
  async generate(options: GenerateOptions): Promise<string> {
    let text = "";
    for await (const piece of this.stream(options)) text += piece;
    return text;
  }

  /** Writes the titan, as it is now, into a folder; the base model is not copied. */
  async savePretrained(folder: string): Promise<void> {
    await writeTitan(folder, this.#snapshot());
  }

  /** Writes the low-rank updates as a plain PEFT adapter of the base model, with a card unless there is a README. */
  async saveAdapter(folder: string): Promise<void> {
    await writePeftAdapter(folder, this.#snapshot());
  }

  /** Writes the base model with what was trained in its weights, in Hugging Face form, with a card unless there is a README. */
  async saveMerged(folder: string): Promise<void> {
    await writeMerged(folder, this.#snapshot());
  }

  /** The titan as it is now. */
  #snapshot(): TitanSnapshot {
    const { baseConfig, baseLicense, tokenizer, trainable, params, magWeight, disableLinearAttn } = this;
    const config = this.config.with({ magWeight, disableLinearAttn });
    const [parts, basePath] = [this.#parts, this.#sharedBase.path];
    const loadedFrom = this.#loaded?.params === params ? this.#loaded.folder : undefined;
    return { config, baseConfig, baseLicense, basePath, tokenizer, parts, trainable, params, loadedFrom };
  }

  /**
   * Python's `retie_lm_after_load`: makes the input embedding the output head, whatever the checkpoint's own head is; or
   * a copy of it. Python does so whenever it opens a model, which breaks those whose head is another matrix; we only do
   * it when asked to. What is saved does not remember it. A model without a head stays as it is.
   *
   * @throws InputError when the head that would be replaced is trained.
   */
  async retieLmAfterLoad(options: RetieOptions = {}): Promise<void> {
    await retieHead(this.base, this.#parts.frozen, this.params, options);
    await this.#runner.release();
  }

  /**
   * Frees all graphs but the `keep` that were used last; they are made again when they are needed. Not to be called while
   * the model, or one that shares its graphs, runs.
   */
  releaseGraphs(keep = 0): Promise<void> {
    return this.#runner.release(keep);
  }

  /** Frees sessions and weights, also those of models that were opened over this one; such a model frees nothing. */
  async dispose(): Promise<void> {
    if (this.#ownsBase) await this.#sharedBase.dispose();
  }
}
