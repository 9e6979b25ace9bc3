import { mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type FrozenWeights, type Parameter, type Params, Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { generateTokens } from "../generate/generate.js";
import { createTokenSampler } from "../generate/sampling.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { type JsonObject, readJsonFile } from "../io/json-file.js";
import type { Tokenizer } from "../io/tokenizer.js";
import type { CausalLm } from "../models/causal-lm.js";
import { openCheckpoint } from "../models/checkpoint.js";
import { initialTensors } from "../nn/init.js";
import { nameParameters } from "../nn/module.js";
import { Random } from "../random.js";
import { adapterFile, loadTpttSafetensors, saveTpttSafetensors } from "./adapter-file.js";
import { TpttConfig, type TpttConfigOptions } from "./config.js";
import { Decoder, GraphCache } from "./decoder.js";
import {
  compileLogits,
  compileLoss,
  compileLossAndGrad,
  type MemoryMode,
  type SequenceShape,
  type TitanParts,
  type TrainingShape,
} from "./graphs.js";
import { getTpttModel, injectLora, setTrainableParameters } from "./inject.js";
import { modelCard } from "./model-card.js";

/** Options of {@link TpttModel.fromPretrained}: those of {@link TpttConfig}, and how the model is put up. */
export interface FromPretrainedOptions extends TpttConfigOptions {
  /** Seed of the first LoRA weights; default 0. */
  readonly seed?: number;
}

/** Options of {@link TpttModel.generate} and {@link TpttModel.stream}. */
export interface GenerateOptions {
  readonly prompt: string;
  readonly maxNewTokens?: number;
  /** 0 (the default) takes the most likely token. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
}

/** A batch of whole sequences. */
export interface ForwardInputs {
  /** int64 [B, S] */
  readonly inputIds: Tensor;
  /** int64 [B, S], 0 at padding. */
  readonly attentionMask?: Tensor;
  /** int64 [B, S], not shifted; -100 where nothing is predicted. */
  readonly labels?: Tensor;
}

/** A batch with labels. */
export type LabeledInputs = ForwardInputs & { readonly labels: Tensor };

/** Options of {@link TpttModel.lossAndGrad}. */
export interface TrainingPassOptions {
  /** Seed of the dropout masks. */
  readonly seed?: number;
  /** Gradient checkpointing: less memory, one more forward pass. */
  readonly checkpointing?: boolean;
}

/** What a titan is made from. */
export interface TpttModelParts {
  readonly config: TpttConfig;
  /** The base model's config in Hugging Face's form. */
  readonly baseConfig: JsonObject;
  /** The base model, its parameters named. The titan takes it over. */
  readonly base: CausalLm;
  /** The base model's weights. */
  readonly frozen: FrozenWeights;
  readonly tokenizer?: Tokenizer | undefined;
  /** Tokens that end a text. */
  readonly eosTokenIds?: readonly number[];
  /** Parts of the names of base parameters that are trained as they are; none by default. */
  readonly trainablePatterns?: readonly string[];
}

/**
 * A pretrained decoder with a memory in every attention layer (LiZA) and trainable low-rank updates (LoRA).
 *
 *     const model = await TpttModel.fromPretrained("gemma.gguf", { operatorMode: "delta_rule", loraConfig: { r: 8 } });
 *     for await (const text of model.stream({ prompt: "The capital of France is" })) process.stdout.write(text);
 */
export class TpttModel {
  readonly config: TpttConfig;
  /** The base model's config in Hugging Face's form. */
  readonly baseConfig: JsonObject;
  readonly tokenizer: Tokenizer | undefined;
  /** Tokens that end a text. */
  readonly eosTokenIds: readonly number[];
  /** What training changes. */
  readonly trainable: readonly Parameter[];
  /** The trained weights by name: replaced, never changed in place, by whoever trains them. */
  params: Params = {};
  /** mu, the memory's share of every titanized layer's output, 0..1. */
  magWeight: number;
  /** Leaves the memories out: the base model, with LoRA if there is one. */
  disableLinearAttn: boolean;
  readonly #parts: TitanParts;
  readonly #graphs = new Map<string, Promise<{ release(): Promise<void> }>>();
  readonly #decodingGraphs = new GraphCache();

  /** Titanizes a base model; `params` must be set before it runs ({@link TpttModel.initializeParams}). */
  constructor({
    config,
    baseConfig,
    base,
    frozen,
    tokenizer,
    eosTokenIds = [],
    trainablePatterns = [],
  }: TpttModelParts) {
    this.config = config;
    this.baseConfig = baseConfig;
    this.tokenizer = tokenizer;
    this.eosTokenIds = eosTokenIds;
    this.magWeight = config.magWeight;
    this.disableLinearAttn = config.disableLinearAttn;
    const { linearCache, wrapped } = getTpttModel(base, config);
    setTrainableParameters(base, trainablePatterns);
    const lora = config.loraConfig ? injectLora(base, config.loraConfig) : [];
    nameParameters(base);
    this.#parts = { base, wrapped, lora, linearCache, frozen };
    this.trainable = [...new Set([...base.namedParameters()].map(([, p]) => p))].filter((p) => p.trainable);
  }

  /**
   * Opens a model.
   *
   * @param path a base model (a GGUF file, a Hugging Face folder), which becomes a titan as the options say; or a saved
   * titan's folder, of which the options change what they name.
   * @throws InputError naming the file and field, or the option, that is wrong.
   */
  static async fromPretrained(
    path: string,
    { seed = 0, ...options }: FromPretrainedOptions = {},
  ): Promise<TpttModel> {
    const saved = await readSavedConfig(path);
    const config = saved
      ? saved.with(options)
      : TpttConfig.from({ ...options, baseModelName: resolve(path) });
    const checkpoint = await openCheckpoint(saved ? await locateBase(config, path) : path);
    try {
      const { config: baseConfig, model: base, eosTokenIds } = checkpoint;
      const [frozen, tokenizer] = [await checkpoint.load(), await checkpoint.tokenizer()];
      const model = new TpttModel({ config, baseConfig, base, frozen, tokenizer, eosTokenIds });
      if (saved) await model.loadParams(join(path, adapterFile));
      else model.initializeParams(seed);
      return model;
    } finally {
      await checkpoint.close();
    }
  }

  /** Draws first values for the trained weights. */
  initializeParams(seed: number): void {
    const trained = new Set(this.trainable);
    this.params = Object.fromEntries(
      initialTensors(this.#parts.base, Random.for(seed, "parameters"), (parameter) => trained.has(parameter)),
    );
  }

  /** Reads the trained weights from a file that {@link TpttModel.savePretrained} or Python wrote. */
  async loadParams(path: string): Promise<void> {
    if (this.trainable.length === 0) return;
    this.params = Object.fromEntries(await loadTpttSafetensors(path, this.trainable));
  }

  /** The decoder inside, its attention layers wrapped. */
  get base(): CausalLm {
    return this.#parts.base;
  }

  /** Which of the two paths a graph needs at the present mu. */
  get memoryMode(): MemoryMode {
    if (this.disableLinearAttn || this.magWeight === 0) return "off";
    return this.magWeight === 1 ? "only" : "mixed";
  }

  /**
   * Runs whole sequences.
   *
   * @returns logits [B, S, vocab] and, with labels, the mean loss of a predicted token.
   */
  async forward(inputs: ForwardInputs): Promise<{ logits: Tensor; loss?: number }> {
    const shape = this.#shapeOf(inputs, this.memoryMode);
    const graph = await this.#graph("logits", shape, () => compileLogits(this.#parts, shape));
    const logits = await graph.run({ ...this.#feeds(inputs, shape), params: this.params });
    if (!inputs.labels) return { logits };
    const { lossSum, targets } = await this.loss({ ...inputs, labels: inputs.labels });
    return { logits, loss: lossSum / targets };
  }

  /** The sum of a batch's next-token losses, and how many tokens were predicted. */
  async loss(batch: LabeledInputs): Promise<{ lossSum: number; targets: number }> {
    const shape = this.#shapeOf(batch, this.memoryMode);
    const graph = await this.#graph("loss", shape, () => compileLoss(this.#parts, shape));
    const loss = await graph.run({ ...this.#feeds(batch, shape), labels: batch.labels, params: this.params });
    return { lossSum: loss.item(), targets: countTargets(batch.labels) };
  }

  /**
   * One step's forward and backward pass.
   *
   * @returns the sum of the losses, and its gradient by parameter name.
   */
  async lossAndGrad(batch: LabeledInputs, { seed = 0, checkpointing = false }: TrainingPassOptions = {}) {
    const mode = this.disableLinearAttn ? "off" : "mixed";
    const dropout = this.config.loraConfig?.loraDropout ?? 0;
    const shape: TrainingShape = { ...this.#shapeOf(batch, mode), dropout, checkpointing };
    const graph = await this.#graph("grad", shape, () => compileLossAndGrad(this.#parts, shape));
    const { value, grads } = await graph.run({
      ...this.#feeds(batch, shape),
      labels: batch.labels,
      ...(dropout > 0 ? { seed: Tensor.int64([], [seed]) } : {}),
      params: this.params,
    });
    return { lossSum: value.item(), targets: countTargets(batch.labels), grads };
  }

  /** A reader with a memory of its own for `batch` sequences. */
  decoder(batch = 1): Decoder {
    const settings = {
      mode: this.memoryMode,
      magWeight: this.magWeight,
      params: this.params,
      maxLength: this.base.config.maxPositionEmbeddings,
    };
    return new Decoder(this.#parts, batch, settings, this.#decodingGraphs);
  }

  /** Continues a prompt, piece by piece. @throws InputError for an impossible option. */
  async *stream(options: GenerateOptions): AsyncGenerator<string> {
    const { prompt, maxNewTokens = 128, temperature = 0, topK, topP, seed = 0 } = options;
    const tokenizer = this.#tokenizer();
    const sample = createTokenSampler({ temperature, topK, topP }, Random.for(seed, "generate"));
    const decoder = this.decoder();
    const reader = { read: async (ids: readonly number[]) => (await decoder.read([ids]))[0]! };
    const ids = tokenizer.encode(prompt);
    if (ids.length === 0) throw new InputError("prompt", "is empty, expected at least one token");
    const text = tokenizer.stream({ skipSpecialTokens: true });
    for await (const id of generateTokens(reader, ids, sample, { maxNewTokens, stopIds: this.eosTokenIds })) {
      const piece = text.push(id);
      if (piece) yield piece;
    }
    const rest = text.flush();
    if (rest) yield rest;
  }

  /** Continues a prompt; gives the new text. */
  async generate(options: GenerateOptions): Promise<string> {
    let text = "";
    for await (const piece of this.stream(options)) text += piece;
    return text;
  }

  /**
   * Writes the titan into a folder: `config.json`, the trained weights, the tokenizer, PEFT's adapter config and a
   * README. The base model is not copied; the config names it. Every file appears whole or not at all, the config last.
   */
  async savePretrained(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const json = this.config
      .with({ magWeight: this.magWeight, disableLinearAttn: this.disableLinearAttn })
      .toJson(this.baseConfig);
    const tensors = new Map(this.trainable.map(({ name }) => [name, this.params[name]!]));
    if (tensors.size > 0) await saveTpttSafetensors(tensors, join(folder, adapterFile));
    await this.tokenizer?.save(folder);
    const write = (file: string, content: JsonObject) =>
      writeFileAtomic(join(folder, file), `${JSON.stringify(content, null, 2)}\n`);
    if (json.lora_config)
      await write("adapter_config.json", {
        ...(json.lora_config as JsonObject),
        base_model_name_or_path: json.base_model_name,
      });
    await writeFileAtomic(join(folder, "README.md"), modelCard(this.config, this.magWeight));
    await write("config.json", json);
  }

  /** Frees sessions and weights. */
  async dispose(): Promise<void> {
    for (const graph of this.#graphs.values()) await (await graph).release();
    this.#graphs.clear();
    await this.#decodingGraphs.release();
    await this.#parts.frozen.dispose();
  }

  #tokenizer(): Tokenizer {
    if (!this.tokenizer) {
      throw new InputError(
        this.config.baseModelName,
        "has no tokenizer; add tokenizer.json to the model's folder",
      );
    }
    return this.tokenizer;
  }

  #shapeOf({ inputIds, attentionMask }: ForwardInputs, mode: MemoryMode): SequenceShape {
    const [batch, length] = inputIds.shape as [number, number];
    const longest = this.base.config.maxPositionEmbeddings;
    if (length > longest) {
      throw new InputError(
        "max_length",
        `is ${length}, the model knows positions up to ${longest}; shorten it`,
      );
    }
    const masked =
      attentionMask !== undefined && (this.config.bidirectional || !isRightPadded(attentionMask));
    return { batch, length, masked, mode };
  }

  #feeds({ inputIds, attentionMask }: ForwardInputs, { masked, batch, length }: SequenceShape) {
    const mask =
      masked &&
      attentionMask &&
      new Tensor("bool", [batch, length], Uint8Array.from(attentionMask.data, Number));
    return { inputIds, mu: Tensor.scalar(this.magWeight), ...(mask ? { mask } : {}) };
  }

  /** The compiled graph of a kind and shape, made when it is first asked for. */
  #graph<T extends { release(): Promise<void> }>(
    kind: string,
    shape: object,
    make: () => Promise<T>,
  ): Promise<T> {
    const key = `${kind} ${JSON.stringify(shape)}`;
    let graph = this.#graphs.get(key) as Promise<T> | undefined;
    if (!graph) {
      graph = make();
      this.#graphs.set(key, graph);
    }
    return graph;
  }
}

/** A saved titan's config; undefined when the path is a base model. */
async function readSavedConfig(path: string): Promise<TpttConfig | undefined> {
  if (!(await isFolder(path))) return undefined;
  const where = join(path, "config.json");
  const fields = await readJsonFile(where);
  if (fields.model_type !== "tptt") return undefined;
  if (!("operator_form" in fields)) {
    throw new InputError(
      `${where}: operator_form`,
      "is missing: Python wrote this titan, and its operator is not supported yet",
    );
  }
  return TpttConfig.parse(fields, where);
}

/** The base model's path: as it was given, or beside the titan. */
async function locateBase({ baseModelName }: TpttConfig, folder: string): Promise<string> {
  for (const path of [baseModelName, join(folder, baseModelName)]) if (await exists(path)) return path;
  throw new InputError(
    `${join(folder, "config.json")}: base_model_name`,
    `is ${baseModelName}, which does not exist; put the base model there, or change the field to its path`,
  );
}

/** Whether no row has a real token after a padded one. */
function isRightPadded(mask: Tensor): boolean {
  const [batch, length] = mask.shape as [number, number];
  for (let row = 0; row < batch; row++) {
    for (let t = 1; t < length; t++) {
      if (Number(mask.data[row * length + t]) > Number(mask.data[row * length + t - 1])) return false;
    }
  }
  return true;
}

/** How many labels are predicted: the first token of a row never is. */
function countTargets(labels: Tensor): number {
  const length = labels.shape[1]!;
  let targets = 0;
  for (let i = 0; i < labels.size; i++) if (i % length !== 0 && Number(labels.data[i]) >= 0) targets++;
  return targets;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
