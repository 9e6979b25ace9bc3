import { join } from "node:path";
import {
  FrozenWeights,
  type Parameter,
  type ProductType,
  type QuantizedMatrix,
  quantize,
  sameShape,
  type Tensor,
} from "../engine/index.js";
import { InputError } from "../errors.js";
import { isBlockType } from "../io/gguf-quants.js";
import { openHfFolder, readTokenizerIfPresent } from "../io/hf-folder.js";
import type { HubObserver, ModelUse } from "../io/hub/hub.js";
import { locateModel } from "../io/hub/locate-model.js";
import type { JsonObject } from "../io/json-file.js";
import { type License, licenseOfFolder, licenseOfGguf } from "../io/license.js";
import type { ModelAccess } from "../io/model-access.js";
import { isFolder } from "../io/path-kind.js";
import { type RowRange, rowRanges } from "../io/row-range.js";
import { missingTensor } from "../io/safetensors.js";
import { Tokenizer } from "../io/tokenizer.js";
import { openGguf, type WeightInfo, type WeightSource } from "../io/weight-source.js";
import { nameParameters } from "../nn/module.js";
import type { Architecture } from "./architecture.js";
import type { Backbone } from "./backbone.js";
import { GgufModel, ggufName, ggufRestorer, type Restorer } from "./gguf-model.js";
import { type Quantization, quantizable } from "./quantization.js";
import { architectureOf, ggufArchitectureOf } from "./registry.js";

/** How many numbers of a tensor are in memory at a time: some megabytes. */
const pieceSize = 2 ** 20;

/** Where a model's parameters lie in its files. */
interface Storage {
  readonly weights: WeightSource;
  /** The name that a parameter has there. */
  nameOf(parameter: string): string;
  /** The shape that a parameter has there. */
  shapeOf(parameter: Parameter): readonly number[];
  /** How a parameter's numbers are made as Hugging Face has them; undefined where they are. */
  restorer(parameter: string): Restorer | undefined;
}

/** What a {@link Checkpoint} is made of. */
interface CheckpointParts {
  readonly path: string;
  readonly config: JsonObject;
  readonly architecture: Architecture;
  readonly model: Backbone;
  readonly eosTokenIds: readonly number[];
  readonly license: License | undefined;
  readonly storage: Storage;
  tokenizer(): Promise<Tokenizer | undefined>;
}

/** A pretrained model on disk: built and checked, its weights not yet read. */
export class Checkpoint {
  /** The GGUF file or the folder. */
  readonly path: string;
  /** The config in Hugging Face's form. */
  readonly config: JsonObject;
  /** @internal */
  readonly architecture: Architecture;
  /** The model, its parameters named as in the checkpoint. */
  readonly model: Backbone;
  /** Tokens that end a text; empty when the files name none. */
  readonly eosTokenIds: readonly number[];
  /** The license that the files name. */
  readonly license: License | undefined;
  /**
   * Reads the tokenizer that lies with the model, if there is one.
   *
   * @throws InputError when it cannot be used.
   */
  readonly tokenizer: () => Promise<Tokenizer | undefined>;
  readonly #storage: Storage;
  readonly #parameters: readonly Parameter[];

  /** @internal Made by {@link openCheckpoint}. */
  constructor(parts: CheckpointParts) {
    this.path = parts.path;
    this.config = parts.config;
    this.architecture = parts.architecture;
    this.model = parts.model;
    this.eosTokenIds = parts.eosTokenIds;
    this.license = parts.license;
    this.tokenizer = parts.tokenizer;
    this.#storage = parts.storage;
    nameParameters(this.model);
    this.#parameters = [...this.model.namedParameters()].map(([, parameter]) => parameter);
    for (const parameter of this.#parameters) this.#check(parameter);
  }

  /** How the parameters are stored, in their order. */
  get stored(): readonly WeightInfo[] {
    const { weights, nameOf } = this.#storage;
    return this.#parameters.map(({ name }) => weights.tensors.get(nameOf(name))!);
  }

  /**
   * Reads every parameter that the model was built with. Of large tensors only a piece is in memory at a time.
   *
   * @param quantization how linear layers and embeddings are held whose rows are whole blocks of 32.
   * @param dtype as what all other matrices are held; vectors are f32.
   * @throws InputError when the file ends before its tensors do.
   */
  async load(quantization: Quantization = "none", dtype: ProductType = "f32"): Promise<FrozenWeights> {
    const frozen = await FrozenWeights.create(dtype);
    const matrices = quantizable(this.model);
    const waiting = this.#parameters.values();
    const store = async () => {
      for (const parameter of waiting) {
        const fewestBits = matrices.get(parameter);
        const { name, shape } = parameter;
        const blocks = fewestBits && this.#readBlocks(name, quantization, fewestBits);
        if (blocks) await frozen.addQuantizedRows(name, shape, blocks);
        else await frozen.addRows(name, shape, this.#read(name));
      }
    };
    // Two at a time: one is decoded while the other is read or written.
    const ends = await Promise.allSettled([store(), store()]);
    const failed = ends.find((end) => end.status === "rejected");
    if (!failed) return frozen;
    await frozen.dispose();
    throw failed.reason;
  }

  /** A matrix in blocks, some rows at a time; undefined when it is to stay as it is. */
  #readBlocks(
    name: string,
    quantization: Quantization,
    fewestBits: 4 | 8,
  ): AsyncGenerator<QuantizedMatrix> | undefined {
    if (quantization === "none") return undefined;
    if (quantization !== "gguf") return this.#round(name, quantization === "int8" ? 8 : fewestBits);
    const { weights, nameOf } = this.#storage;
    const { dtype } = weights.tensors.get(nameOf(name))!;
    if (!isBlockType(dtype)) return undefined;
    return weights.blockFormat(nameOf(name)) ? this.#readStoredBlocks(name) : this.#round(name, 8);
  }

  /** A parameter as f32, some rows at a time. */
  async *#read(name: string): AsyncGenerator<Tensor> {
    const { weights, nameOf, restorer } = this.#storage;
    const restore = restorer(name);
    for (const rows of this.#pieces(name)) {
      const piece = await weights.read(nameOf(name), rows);
      if (piece.dtype !== "f32") {
        throw new InputError(
          `${weights.name}: tensor ${nameOf(name)}`,
          `is ${piece.dtype}, expected floating point; save it as F32, F16 or BF16`,
        );
      }
      yield restore?.(piece) ?? piece;
    }
  }

  async *#round(name: string, bits: 4 | 8): AsyncGenerator<QuantizedMatrix> {
    for await (const piece of this.#read(name)) yield quantize(piece, bits);
  }

  async *#readStoredBlocks(name: string): AsyncGenerator<QuantizedMatrix> {
    const { weights, nameOf, restorer } = this.#storage;
    const restore = restorer(name);
    for (const rows of this.#pieces(name)) {
      const blocks = await weights.readBlocks(nameOf(name), rows);
      yield restore ? { ...blocks, data: restore(blocks.data), scales: restore(blocks.scales) } : blocks;
    }
  }

  /** The rows to read at a time: what is restored is restored as a whole. */
  #pieces(name: string): Iterable<RowRange | undefined> {
    const { weights, nameOf, restorer } = this.#storage;
    return restorer(name) ? [undefined] : rowRanges(weights.tensors.get(nameOf(name))!.shape, pieceSize);
  }

  /** Closes the files. */
  close(): Promise<void> {
    return this.#storage.weights.close();
  }

  #check(parameter: Parameter): void {
    const { weights, nameOf, shapeOf } = this.#storage;
    const stored = nameOf(parameter.name);
    const shape = shapeOf(parameter);
    const info = weights.tensors.get(stored);
    if (!info) throw missingTensor(weights.name, stored, weights.tensors.keys());
    if (!sameShape(info.shape, shape)) {
      throw new InputError(
        `${weights.name}: tensor ${stored}`,
        `is [${info.shape}], the config asks for [${shape}]; config and weights belong to different models`,
      );
    }
  }
}

/**
 * Opens a pretrained model: a GGUF file, a Hugging Face folder, or one of the hub (`org/name[@revision][/subfolder]`).
 *
 * @param use of a model of the hub: `"load"` (the default) downloads all of it, `"look"` its configs; the checkpoint then reads
 * the headers of weights, and weights, where they lie at the hub, and keeps nothing of them.
 * @throws InputError naming the file and the field or tensor that is missing, wrong or not supported.
 */
export async function openCheckpoint(
  name: string,
  observer?: HubObserver,
  use?: ModelUse,
): Promise<Checkpoint> {
  const { path, access } = await locateModel(name, observer, use);
  return (await isFolder(path)) ? openFolder(path, access) : openGgufFile(path, access);
}

async function openFolder(path: string, access: ModelAccess): Promise<Checkpoint> {
  const { config, generationConfig, weights } = await openHfFolder(path, access);
  return closeOnError(weights, async () => {
    const where = join(path, "config.json");
    const architecture = architectureOf(config.model_type, where);
    const nameOf = (parameter: string) => storedName(parameter, architecture, weights);
    return new Checkpoint({
      path,
      config,
      architecture,
      model: architecture.build(config, where, (parameter) => weights.tensors.has(nameOf(parameter))),
      eosTokenIds: tokenIds(generationConfig?.eos_token_id ?? config.eos_token_id),
      license: await licenseOfFolder(path, config),
      storage: {
        weights,
        nameOf,
        shapeOf: ({ shape }) => shape,
        restorer: () => undefined,
      },
      tokenizer: () => readTokenizerIfPresent(path, access),
    });
  });
}

/**
 * The name that a file has for a parameter: files of a model with another head, or none, differ in a prefix, older ones
 * in spelling.
 */
function storedName(parameter: string, architecture: Architecture, { tensors }: WeightSource): string {
  const prefix = `${architecture.baseModelPrefix}.`;
  const bare = parameter.startsWith(prefix) ? parameter.slice(prefix.length) : parameter;
  const names = [parameter, bare, prefix + parameter];
  const former = names.map((name) => architecture.formerName?.(name) ?? name);
  return [...names, ...former].find((name) => tensors.has(name)) ?? parameter;
}

/** Opens a GGUF file, wherever it lies. @throws InputError as {@link openCheckpoint}. */
export async function openGgufFile(path: string, { open }: ModelAccess): Promise<Checkpoint> {
  const weights = await openGguf(await open(path));
  return closeOnError(weights, async () => {
    const file = new GgufModel(weights);
    const architecture = ggufArchitectureOf(file.architecture, path);
    const { gguf } = architecture;
    const config = await gguf.config(file);
    return new Checkpoint({
      path,
      config,
      architecture,
      model: architecture.build(config, path),
      eosTokenIds: tokenIds(config.eos_token_id),
      license: licenseOfGguf(weights.header.metadata),
      storage: {
        weights,
        nameOf: (parameter) => ggufName(parameter, gguf),
        shapeOf: ({ name, shape }) => (gguf.transposed?.(name) ? shape.toReversed() : shape),
        restorer: (parameter) => ggufRestorer(parameter, gguf, file),
      },
      tokenizer: async () => Tokenizer.fromGguf(weights.header.metadata, path),
    });
  });
}

async function closeOnError<T>(weights: WeightSource, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await weights.close();
    throw error;
  }
}

/** One id, several, or none. */
const tokenIds = (value: unknown): number[] =>
  [value].flat().filter((id): id is number => typeof id === "number");
