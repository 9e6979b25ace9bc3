import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../src/engine/index.js";
import { writeSafetensors } from "../../src/io/safetensors.js";
import { Random } from "../../src/random.js";
import { recurrentModes } from "../../src/tptt/config/operator-config.js";
import { temporaryFolder } from "../models/fixture.js";
import {
  type LayerShape,
  linearAttention,
  type Matrix,
  mix,
  norm,
  project,
  rms,
  scale,
  softmaxAttention,
  type Vector,
} from "../tptt/memory/reference.js";
import { draw, tensorOf } from "../tptt/memory/run.js";
import { vocabSize } from "../tptt/titan.js";

/*
 * A Llama of two layers with random weights, biases of attention among them, and its titan as plain loops in float64 over
 * one sequence without padding.
 */

/** The operator that {@link runTitan} computes. */
export const operatorMode = "gated_delta_product";

const layers = 2;
const [hidden, intermediate] = [10, 14];
const [theta, eps] = [10_000, 1e-5];
const shape: LayerShape = {
  ...{ numHeads: 4, numKeyValueHeads: 2, headDim: 4, maxChunkSize: 64 },
  recurrentConfig: recurrentModes[operatorMode],
};

const config = {
  ...{ model_type: "llama", vocab_size: vocabSize, hidden_size: hidden, intermediate_size: intermediate },
  ...{ num_hidden_layers: layers, num_attention_heads: shape.numHeads, head_dim: shape.headDim },
  ...{ num_key_value_heads: shape.numKeyValueHeads, attention_bias: true, tie_word_embeddings: true },
  ...{ max_position_embeddings: 64, rope_theta: theta, rms_norm_eps: eps },
};

type Weights = ReadonlyMap<string, Matrix | Vector>;

function drawWeights(): Weights {
  const random = Random.for(3, "llama");
  const [q, kv] = [shape.numHeads, shape.numKeyValueHeads].map((heads) => heads * shape.headDim) as [
    number,
    number,
  ];
  const weights = new Map<string, Matrix | Vector>();
  const add = (name: string, ...size: number[]) =>
    weights.set(name, draw(random, size, () => 0.4 * random.normal()) as Matrix | Vector);
  add("model.embed_tokens.weight", vocabSize, hidden);
  add("model.norm.weight", hidden);
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    for (const [name, size] of Object.entries({ q_proj: q, k_proj: kv, v_proj: kv, o_proj: hidden })) {
      add(`${at}.self_attn.${name}.weight`, size, name === "o_proj" ? q : hidden);
      add(`${at}.self_attn.${name}.bias`, size);
    }
    add(`${at}.mlp.gate_proj.weight`, intermediate, hidden);
    add(`${at}.mlp.up_proj.weight`, intermediate, hidden);
    add(`${at}.mlp.down_proj.weight`, hidden, intermediate);
    for (const name of ["input_layernorm", "post_attention_layernorm"]) add(`${at}.${name}.weight`, hidden);
  }
  return weights;
}

const weights = drawWeights();

/** Writes the model as a folder; it goes when the running test ends. @returns the folder. */
export async function writeLlama(): Promise<string> {
  const folder = await temporaryFolder();
  const tensors = new Map<string, Tensor>([...weights].map(([name, values]) => [name, tensorOf(values)]));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

/** What is asked of {@link runTitan}. */
export interface LoopOptions {
  /** mu of each token, from a layer's number and its input [S][hidden]. */
  readonly mu: (layer: number, x: Matrix) => Vector;
  readonly baseScaleAttn?: boolean;
  readonly crossGate?: boolean;
}

/** What {@link runTitan} gives. */
export interface LoopResult {
  /** The last hidden states, [S][hidden]. */
  readonly hidden: Matrix;
  /** |(1 - mu) softmax| of each layer and token, [L][S]: after the output projection, without its bias. */
  readonly attention: Matrix;
  /** |mu memory|, the same. */
  readonly memory: Matrix;
}

/** The titan of the model over one sequence. */
export function runTitan(ids: readonly number[], options: LoopOptions): LoopResult {
  const attention: Vector[] = [];
  const memory: Vector[] = [];
  const embeddings = matrix("model.embed_tokens.weight");
  let x: Matrix = ids.map((id) => embeddings[id]!);
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    const normed = rmsNorm(x, `${at}.input_layernorm`);
    const mus = options.mu(i, normed);
    const raw = {
      q: linear(normed, `${at}.self_attn.q_proj`),
      k: linear(normed, `${at}.self_attn.k_proj`),
      v: linear(normed, `${at}.self_attn.v_proj`),
    };
    const heads = {
      softmax: softmaxAttention(raw, shape, theta, Number.POSITIVE_INFINITY),
      memory: linearAttention(raw, shape),
    };
    const output = `${at}.self_attn.o_proj`;
    const softmax = linear(heads.softmax, output);
    const mixed = mix(softmax, linear(heads.memory, output), { ...options, mu: mus });
    const without = (rows: Matrix) => project(rows, matrix(`${output}.weight`));
    attention.push(without(heads.softmax).map((row, t) => (1 - mus[t]!) * norm(row)));
    memory.push(
      without(heads.memory).map(
        (row, t) => mus[t]! * norm(row) * (options.baseScaleAttn ? rms(softmax[t]!, eps) : 1),
      ),
    );
    const between = plusRows(x, mixed);
    x = plusRows(between, mlp(rmsNorm(between, `${at}.post_attention_layernorm`), `${at}.mlp`));
  }
  return { hidden: rmsNorm(x, "model.norm"), attention, memory };
}

const matrix = (name: string) => weights.get(name) as Matrix;
const vector = (name: string) => weights.get(name) as Vector;
const plusRows = (a: Matrix, b: Matrix): Matrix => a.map((row, t) => row.map((x, i) => x + b[t]![i]!));

const linear = (x: Matrix, name: string): Matrix =>
  project(x, matrix(`${name}.weight`)).map((row) => row.map((y, i) => y + vector(`${name}.bias`)[i]!));

const rmsNorm = (x: Matrix, name: string): Matrix =>
  x.map((row) => scale(row, 1 / rms(row, eps)).map((y, i) => y * vector(`${name}.weight`)[i]!));

function mlp(x: Matrix, name: string): Matrix {
  const [gate, up] = ["gate_proj", "up_proj"].map((part) => project(x, matrix(`${name}.${part}.weight`)));
  const inner = gate!.map((row, t) => row.map((g, i) => (g / (1 + Math.exp(-g))) * up![t]![i]!));
  return project(inner, matrix(`${name}.down_proj.weight`));
}
