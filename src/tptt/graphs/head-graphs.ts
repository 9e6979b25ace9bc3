import {
  add,
  cast,
  compile,
  greaterEqual,
  max,
  mul,
  reshape,
  softmax,
  sub,
  sum,
  type TypeInfo,
  takeAlong,
  type Value,
} from "../../engine/index.js";
import { asLanguageModel } from "../../models/language-model.js";
import { logSumExp } from "../../nn/cross-entropy.js";
import type { TitanParts } from "./titan-parts.js";

const hiddenType = ({ base }: TitanParts, rows: number): TypeInfo => ({
  dtype: "f32",
  shape: [rows, base.config.hiddenSize],
});

/** Compiles hidden states [n, hidden] to logits [n, vocab], for any n: a session packs the largest of all weights. */
export function compileHead(parts: TitanParts) {
  return compile(({ hidden }: { hidden: Value }) => asLanguageModel(parts.base).logits(hidden), {
    inputs: { hidden: hiddenType(parts, -1) },
    frozen: parts.frozen,
    device: parts.device,
    takesTurns: true,
  });
}

/** The static side of {@link compileTokenScores}. */
export interface TokenScoresShape {
  readonly rows: number;
  /** Whether the distributions are compared with others. */
  readonly compared: boolean;
}

type TokenScoresInputs = { readonly hidden: Value; readonly targets: Value; readonly reference?: Value };

/**
 * Compiles hidden states [n, hidden] and targets int64 [n] to what the model says of the targets; see
 * {@link TokenScores}. Logits stay inside the graph.
 */
export function compileTokenScores(parts: TitanParts, { rows, compared }: TokenScoresShape) {
  const model = asLanguageModel(parts.base);
  const vocab = model.config.vocabSize;
  return compile(
    ({ hidden, targets, reference }: TokenScoresInputs) => {
      const logits = model.logits(hidden);
      const logSum = logSumExp(logits, softmax(logits));
      const target = takeAlong(logits, reshape(targets, [rows, 1]), 1);
      return {
        logProbs: reshape(sub(target, logSum), [rows]),
        greedy: reshape(cast(greaterEqual(target, max(logits, [1], true)), "f32"), [rows]),
        ...(reference ? { divergence: divergence(reference, logits, logSum) } : {}),
      };
    },
    {
      inputs: {
        hidden: hiddenType(parts, rows),
        targets: { dtype: "int64", shape: [rows] } as TypeInfo,
        ...(compared ? { reference: { dtype: "f32", shape: [rows, vocab] } as TypeInfo } : {}),
      },
      frozen: parts.frozen,
      device: parts.device,
    },
  );
}

/** KL(p || q) of each row, in nats, [n]; p and q are given as logits [n, vocab]. */
function divergence(p: Value, q: Value, logSumQ: Value): Value {
  const shares = softmax(p);
  const logRatios = add(sub(p, q), sub(logSumQ, logSumExp(p, shares)));
  return sum(mul(shares, logRatios), [1]);
}
