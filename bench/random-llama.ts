import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "#dist/index.js";
import { writeSafetensors } from "#dist/io/safetensors.js";
import { architectureOf } from "#dist/models/registry.js";
import { initialTensors } from "#dist/nn/init.js";
import { nameParameters } from "#dist/nn/module.js";

/** Writes a Llama with random weights as a Hugging Face folder inside `scratch`; gives its path. */
export async function writeRandomLlama(
  scratch: string,
  sizes: { readonly layers: number; readonly vocabulary: number },
): Promise<string> {
  const folder = join(scratch, `llama-${sizes.layers}-${sizes.vocabulary}`);
  const config = {
    model_type: "llama",
    vocab_size: sizes.vocabulary,
    hidden_size: 256,
    intermediate_size: 1024,
    num_hidden_layers: sizes.layers,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 4096,
    tie_word_embeddings: true,
  };
  const model = architectureOf("llama", folder).build(config, folder);
  nameParameters(model);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeSafetensors(
    join(folder, "model.safetensors"),
    initialTensors(model, Random.for(0, "parameters")),
  );
  return folder;
}
