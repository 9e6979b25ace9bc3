import { type FrozenWeights, Parameter, type Params } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import type { Backbone } from "../../models/backbone.js";
import { LanguageModel } from "../../models/language-model.js";
import { Linear } from "../../nn/layers.js";
import { findEmbeddingLm } from "../layer/module-names.js";

/** Options of {@link TpttModel.retieLmAfterLoad}. */
export interface RetieOptions {
  /** True (the default): the head is the input embedding itself. False: a copy of it. */
  readonly tieWordEmbeddings?: boolean;
}

/**
 * Makes the input embedding, or a copy of it that goes into `frozen`, the output head of a model. Graphs that were
 * compiled before have the old head. A model without a head, or without an embedding that we know, stays as it is.
 *
 * @throws InputError when the head that would be replaced is trained.
 */
export async function retieHead(
  base: Backbone,
  frozen: FrozenWeights,
  params: Params,
  { tieWordEmbeddings = true }: RetieOptions = {},
): Promise<void> {
  const embedding = findEmbeddingLm(base)?.weight;
  if (!(base instanceof LanguageModel) || !embedding) return;
  if (base.head !== embedding && base.head.trainable)
    throw new InputError("lm_head", "is trained; save it in a titan of its own before the head is replaced");
  const weight = tieWordEmbeddings ? embedding : await copied(embedding, frozen, params);
  if (base.head === weight) return;
  const [vocab, hidden] = weight.shape as [number, number];
  const head = new Linear(hidden, vocab);
  head.weight = weight;
  base.set("lm_head", head);
  if (base.head !== weight) throw new Error(`${base.constructor.name}: its head is not called lm_head`);
}

async function copied(embedding: Parameter, frozen: FrozenWeights, params: Params): Promise<Parameter> {
  const copy = new Parameter(embedding.dtype, embedding.shape);
  for (let n = 1; copy.name === "" || frozen.has(copy.name); n++) copy.name = `${embedding.name} (copy ${n})`;
  await frozen.add(copy.name, params[embedding.name] ?? (await frozen.read(embedding.name)));
  return copy;
}
