import { matmul, type Parameter, reshape, type Value } from "../engine/index.js";
import { Attention } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Module } from "../nn/module.js";

/** What every family's config has, under Hugging Face's names in camelCase. */
export interface CausalLmConfig {
  readonly modelType: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly maxPositionEmbeddings: number;
  readonly tieWordEmbeddings: boolean;
}

/** A decoder that predicts the next token. */
export abstract class CausalLm extends Module {
  abstract readonly config: CausalLmConfig;
  /** The output embedding [vocab, hidden]: the input embedding itself when they are tied. */
  abstract get head(): Parameter;

  /** Token ids, int64 [B, S], to the last hidden states, normed: [B, S, hidden]. */
  abstract forward(inputIds: Value, context: ForwardContext): Value;

  /** Hidden states [.., hidden] to logits [.., vocab]. */
  logits(hidden: Value): Value {
    const rows = matmul(reshape(hidden, [-1, hidden.shape.at(-1)!]), this.head, { transB: true });
    return reshape(rows, hidden.shape.with(-1, this.config.vocabSize));
  }

  /** The attention layers with their paths, in order; a layer around another stands for both. */
  attentions(): [name: string, layer: Attention][] {
    const found: [string, Attention][] = [];
    for (const [name, module] of this.namedModules()) {
      const inside = found.some(([outer]) => name.startsWith(`${outer}.`));
      if (module instanceof Attention && !inside) found.push([name, module]);
    }
    return found;
  }
}
