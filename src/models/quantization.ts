import { fitsBlocks, type Parameter } from "../engine/index.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { Conv1D, Embedding, Linear } from "../nn/layers.js";
import { MixtureOfExperts } from "../nn/mixture-of-experts.js";
import { RotaryAttention } from "../nn/rotary-attention.js";
import type { Backbone } from "./backbone.js";
import { LanguageModel } from "./language-model.js";

/**
 * How the matrices of a model are held: as f32; as the blocks that a GGUF file has them in, or the nearest of 8 bits where
 * those have offsets; rounded to 8 bits, or to 4 but for those that bear it badly: the embeddings of the vocabulary, values, and
 * what an MLP is made of but its gate.
 */
export const quantizations = ["none", "gguf", "int8", "int4"] as const;
export type Quantization = (typeof quantizations)[number];

/**
 * The weights of linear layers and embeddings that fit into blocks, but for those that choose experts: with the bits that
 * `int4` rounds them to. Vocabularies, values and what leads into and out of an MLP bear 4 badly (docs/decisions has the
 * measurements).
 */
export function quantizable(model: Backbone): Map<Parameter, 4 | 8> {
  const modules = [...model.namedModules()].map(([, module]) => module);
  const routers = modules.map((module) => (module instanceof MixtureOfExperts ? module.gate : undefined));
  const head = model instanceof LanguageModel ? model.head : undefined;
  const delicate = modules.flatMap((module) =>
    module instanceof RotaryAttention
      ? [module.v_proj]
      : module instanceof GatedMlp
        ? [module.up_proj, module.down_proj]
        : module instanceof Embedding
          ? [module]
          : [],
  );
  const found = new Map<Parameter, 4 | 8>();
  for (const module of modules) {
    const isTable = module instanceof Embedding;
    const isLinear = module instanceof Linear && !(module instanceof Conv1D) && !routers.includes(module);
    if (!(isTable || isLinear) || !fitsBlocks(module.weight.shape)) continue;
    found.set(module.weight, delicate.includes(module) || module.weight === head ? 8 : 4);
  }
  return found;
}
