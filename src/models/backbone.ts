import type { Value } from "../engine/index.js";
import { Attention } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Module } from "../nn/module.js";

/** What every family's config has, under Hugging Face's names in camelCase. */
export interface BackboneConfig {
  readonly modelType: string;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  /** The longest sequence, in tokens. */
  readonly maxPositionEmbeddings: number;
}

/** A transformer, in Hugging Face's layout. */
export abstract class Backbone extends Module {
  abstract readonly config: BackboneConfig;
  /** Whether a token sees only itself and those before it. */
  abstract readonly causal: boolean;
  /** Whether positions come from a table, of `maxPositionEmbeddings` rows, that no longer sequence can be read with. */
  readonly learnedPositions: boolean = false;

  /**
   * @param input token ids, int64 [B, S]; or whatever else the family reads.
   * @returns the last hidden states, normed: [B, S, hidden].
   */
  abstract forward(input: Value, context: ForwardContext): Value;

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
