import { Embedding } from "../../nn/layers.js";
import type { Module } from "../../nn/module.js";

/**
 * Python's `extract_layer_idx`: the index of the layer that a module's path leads through, 3 of `model.layers.3.self_attn`;
 * -1 when there is none.
 */
export function extractLayerIdx(moduleName: string): number {
  const [, index] = /\.(\d+)\./.exec(moduleName) ?? [];
  return index === undefined ? -1 : Number(index);
}

/** What families call their input embedding: the two names that Python knows, GPT-2's and BERT's. */
const embeddingNames: readonly string[] = ["embed_tokens", "token_embeddings", "wte", "word_embeddings"];

/** Python's `find_embedding_lm`: the input embedding of a model, by its name; undefined when it has none that we know. */
export function findEmbeddingLm(module: Module): Embedding | undefined {
  for (const [path, child] of module.namedModules()) {
    if (child instanceof Embedding && embeddingNames.includes(path.split(".").at(-1)!)) return child;
  }
  return undefined;
}
