import { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { GgufValue } from "../io/gguf-cursor.js";
import type { JsonObject } from "../io/json-file.js";
import { shown } from "../io/json-text.js";
import type { GgufSource } from "../io/weight-source.js";

/** Gives a parameter's numbers as Hugging Face has them; may change the tensor in place. */
export type Restorer = (tensor: Tensor) => Tensor;

/** A family's spelling in GGUF files. */
export interface GgufFamily {
  /** `general.architecture`. */
  readonly name: string;
  /** The Hugging Face config that the metadata stand for. @throws InputError naming the field. */
  config(file: GgufModel): JsonObject | Promise<JsonObject>;
  /** The path of the layers; `model.layers` unless given. */
  readonly layers?: string;
  /** The names of a layer's modules: `post_attention_layernorm` -> `ffn_norm`. A `*` stands for a number. */
  readonly layer: Readonly<Record<string, string>>;
  /** The names of the modules outside the layers; those of Llama unless given. */
  readonly outside?: Readonly<Record<string, string>>;
  /** Whether the converter transposed a parameter, which is a matrix. */
  transposed?(parameter: string): boolean;
  /**
   * How to undo what the converter did to a parameter's numbers; undefined where it did nothing. Matrices only have their
   * rows moved, so that the bytes and the scales of blocks are restored like them.
   */
  restorer?(parameter: string, file: GgufModel): Restorer | undefined;
}

/** The parts that most families call the same. */
const commonOutside: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
};
export const commonLayer = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
} as const;

/** `model.layers.3.self_attn.q_proj.weight` -> `blk.3.attn_q.weight` */
export function ggufName(parameter: string, family: GgufFamily): string {
  const { layers = "model.layers", layer, outside = commonOutside } = family;
  const inLayer = parameter.startsWith(`${layers}.`);
  const local = inLayer ? parameter.slice(layers.length + 1) : parameter;
  const [, index, path, kind] = /^(?:(\d+)\.)?(.*)\.(weight|bias)$/.exec(local) ?? [];
  const [number] = /(?<=\.)\d+(?=\.)/.exec(path ?? "") ?? [];
  const names = inLayer ? layer : outside;
  const module = number ? names[path!.replace(number, "*")]?.replace("*", number) : names[path!];
  if (!module) throw new Error(`GGUF: no name is known for the parameter ${parameter}`);
  return inLayer ? `blk.${index}.${module}.${kind}` : `${module}.${kind}`;
}

/** How a parameter's numbers are made as Hugging Face has them; undefined where they are. */
export const ggufRestorer = (parameter: string, family: GgufFamily, file: GgufModel): Restorer | undefined =>
  family.transposed?.(parameter) ? transposed : family.restorer?.(parameter, file);

function transposed({ shape: [rows, columns], f32: from }: Tensor): Tensor {
  const to = new Float32Array(from.length);
  for (let row = 0; row < rows!; row++)
    for (let column = 0; column < columns!; column++)
      to[column * rows! + row] = from[row * columns! + column]!;
  return new Tensor("f32", [columns!, rows!], to);
}

/** A GGUF file that holds a model; its metadata are read with checks. */
export class GgufModel {
  readonly source: GgufSource;
  /** `general.architecture` */
  readonly architecture: string;

  constructor(source: GgufSource) {
    this.source = source;
    const name = source.header.metadata.get("general.architecture");
    if (typeof name !== "string") throw this.#error("general.architecture", name, "a text");
    this.architecture = name;
  }

  /** A number of the family's own section: `block_count` for `llama.block_count`. */
  number(key: string, fallback?: number): number {
    const value = this.#field(key) ?? fallback;
    if (typeof value !== "number")
      throw this.#error(`${this.architecture}.${key}`, value, "a number that is the same for all layers");
    return value;
  }

  /** How positions are stretched, as `rope_scaling` of a Hugging Face config. */
  get ropeScaling(): JsonObject | null {
    const type = this.#field("rope.scaling.type") ?? "none";
    return type === "none" ? null : { rope_type: type, factor: this.number("rope.scaling.factor") };
  }

  has(tensor: string): boolean {
    return this.source.tensors.has(tensor);
  }

  /** Channels of an attention head. */
  get headDim(): number {
    return this.number(
      "attention.key_length",
      this.number("embedding_length") / this.number("attention.head_count"),
    );
  }

  /** A norm's epsilon, stored as f32: 9.999999974752427e-7 is meant to be 1e-6. */
  epsilon(key: string): number {
    return Number(this.number(key).toPrecision(7));
  }

  /** What the tokens of every family say, as fields of a Hugging Face config. */
  vocabularyConfig(): JsonObject {
    const token = (kind: string) =>
      this.source.header.metadata.get(`tokenizer.ggml.${kind}_token_id`) ?? null;
    const [eos, endOfTurn] = [token("eos"), token("eot")];
    return {
      vocab_size: this.source.tensors.get("token_embd.weight")?.shape[0],
      tie_word_embeddings: !this.has("output.weight"),
      bos_token_id: token("bos"),
      eos_token_id: endOfTurn === null || endOfTurn === eos ? eos : [eos, endOfTurn],
      pad_token_id: token("padding"),
    };
  }

  /** What the metadata of every decoder with rotary positions say, as fields of a Hugging Face config. */
  rotaryConfig(): JsonObject {
    const heads = this.number("attention.head_count");
    return {
      ...this.vocabularyConfig(),
      hidden_size: this.number("embedding_length"),
      intermediate_size: this.number("feed_forward_length"),
      num_hidden_layers: this.number("block_count"),
      num_attention_heads: heads,
      num_key_value_heads: this.number("attention.head_count_kv", heads),
      head_dim: this.headDim,
      max_position_embeddings: this.number("context_length"),
      rope_scaling: this.ropeScaling,
      attention_bias: this.has("blk.0.attn_q.bias"),
    };
  }

  /** The same with RMS norms, as most decoders have them. */
  config(): JsonObject {
    return { ...this.rotaryConfig(), rms_norm_eps: this.epsilon("attention.layer_norm_rms_epsilon") };
  }

  #field(key: string): GgufValue | undefined {
    return this.source.header.metadata.get(`${this.architecture}.${key}`);
  }

  #error(key: string, value: unknown, expected: string): InputError {
    return new InputError(`${this.source.name}: ${key}`, `is ${shown(value)}, expected ${expected}`);
  }
}
