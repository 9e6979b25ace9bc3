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

/** What a family may read: token ids and their segments, int64 [B, S]; or images, f32 [B, C, H, W]. */
export type BackboneInput = "inputIds" | "tokenTypeIds" | "pixelValues";

/** A transformer, in Hugging Face's layout. */
export abstract class Backbone extends Module {
  abstract readonly config: BackboneConfig;
  /** Whether a token sees only itself and those before it. */
  abstract readonly causal: boolean;
  /** Whether positions come from a table, of `maxPositionEmbeddings` rows, that no longer sequence can be read with. */
  readonly learnedPositions: boolean = false;

  /** What it reads; the first of them always. */
  readonly inputs: readonly [BackboneInput, ...BackboneInput[]] = ["inputIds"];

  /**
   * @param input the first of {@link inputs}.
   * @param tokenTypeIds where the family reads them; without them all tokens are of type 0.
   * @returns the last hidden states, normed: [B, S, hidden].
   */
  abstract forward(input: Value, context: ForwardContext, tokenTypeIds?: Value): Value;

  /** How many tokens S an input of this shape becomes. @throws InputError when the shape is not the model's. */
  sequenceLength(shape: readonly number[]): number {
    return shape[1]!;
  }

  /** One vector for a sequence, from its hidden states: [B, S, hidden] -> [B, pooled]; undefined without a pooler. */
  pool(_hidden: Value): Value | undefined {
    return undefined;
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
