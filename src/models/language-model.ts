import { matmul, type Parameter, reshape, scoped, type Value } from "../engine/index.js";
import { InputError } from "../errors.js";
import { Backbone, type BackboneConfig } from "./backbone.js";

/** What the config of every model with an output embedding has. */
export interface LanguageModelConfig extends BackboneConfig {
  readonly vocabSize: number;
  readonly tieWordEmbeddings: boolean;
}

/** The model as one that predicts tokens. @throws InputError when it has no output embedding. */
export function asLanguageModel(model: Backbone): LanguageModel {
  if (model instanceof LanguageModel) return model;
  throw new InputError(
    "model_type",
    `is ${model.config.modelType}, which predicts no tokens; take its hidden states, or a language model`,
  );
}

/** A transformer that predicts tokens. */
export abstract class LanguageModel extends Backbone {
  abstract override readonly config: LanguageModelConfig;
  readonly causal: boolean = true;

  /** The token that stands for one not yet known, in a model that writes by diffusion; none in all others. */
  get maskTokenId(): number | undefined {
    return undefined;
  }

  /** The output embedding [vocab, hidden]: the input embedding itself when they are tied. */
  abstract get head(): Parameter;

  /** Hidden states [.., hidden] to logits [.., vocab]. */
  logits(hidden: Value): Value {
    return scoped("head", () => {
      const rows = matmul(reshape(hidden, [-1, hidden.shape.at(-1)!]), this.head, { transB: true });
      return reshape(rows, hidden.shape.with(-1, this.config.vocabSize));
    });
  }
}
