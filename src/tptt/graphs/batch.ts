import type { Tensor } from "../../engine/index.js";

/** A batch of whole sequences. */
export interface ForwardInputs {
  /** int64 [B, S] */
  readonly inputIds: Tensor;
  /** int64 [B, S], 0 at padding. */
  readonly attentionMask?: Tensor;
  /** int64 [B, S], not shifted; -100 where nothing is predicted. */
  readonly labels?: Tensor;
}

/** A batch of whole sequences, or of images, to be encoded. */
export type EncodeInputs =
  | (Omit<ForwardInputs, "labels"> & {
      /** int64 [B, S]: the segment of each token, for models that know segments; 0 unless given. */
      readonly tokenTypeIds?: Tensor;
    })
  | {
      /** f32 [B, C, H, W], as the model's image processor gives them. */
      readonly pixelValues: Tensor;
    };

/** What a model makes of its inputs. */
export interface Encoding {
  /** The last hidden states, [B, S, hidden]; void at padding. */
  readonly lastHiddenState: Tensor;
  /** One vector for each sequence, [B, pooled], where the model has a pooler. */
  readonly poolerOutput?: Tensor;
}

/** A batch with labels. */
export type LabeledInputs = ForwardInputs & { readonly labels: Tensor };

/** Hidden states, and the tokens that they are asked about. */
export interface TokenScoresInputs {
  /** f32 [n, hidden]: rows of what `encode` gives. */
  readonly hidden: Tensor;
  /** int64 [n]: for each, the token that may follow. */
  readonly targets: Tensor;
  /** f32 [n, vocab]: logits of another model at the same places, to compare with. */
  readonly reference?: Tensor;
}

/** What a model says of tokens; each f32 [n]. */
export interface TokenScores {
  /** Natural logarithm of the probability of each target. */
  readonly logProbs: Tensor;
  /** 1 where no token is more likely than the target, else 0. */
  readonly greedy: Tensor;
  /** With a reference: the Kullback-Leibler divergence of the model from it, KL(reference || model), in nats. */
  readonly divergence?: Tensor;
}

/** How much the two paths of titanized layers add to the layers' outputs: Euclidean norms, each f32 [L, B, S]. */
export interface PathNorms {
  /** Of (1 - mu) softmax, after the output projection. */
  readonly attention: Tensor;
  /** Of mu linear, after the output projection. */
  readonly memory: Tensor;
}

/** Whether no row has a real token after a padded one. */
export function isRightPadded(mask: Tensor): boolean {
  const [batch, length] = mask.shape as [number, number];
  for (let row = 0; row < batch; row++) {
    for (let t = 1; t < length; t++) {
      if (Number(mask.data[row * length + t]) > Number(mask.data[row * length + t - 1])) return false;
    }
  }
  return true;
}

/** How many labels are predicted: the first token of a row never is. */
export function countTargets(labels: Tensor): number {
  const length = labels.shape[1]!;
  let targets = 0;
  for (let i = 0; i < labels.size; i++) if (i % length !== 0 && Number(labels.data[i]) >= 0) targets++;
  return targets;
}
