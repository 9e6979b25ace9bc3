import { ignoreIndex } from "../../data/ignore-index.js";
import {
  add,
  compile,
  concat,
  constant,
  estimateBytes,
  mul,
  reshape,
  slice,
  sqrt,
  sum,
  Tensor,
  type TypeInfo,
  type Value,
  valueAndGrad,
} from "../../engine/index.js";
import { asLanguageModel } from "../../models/language-model.js";
import { crossEntropySum } from "../../nn/cross-entropy.js";
import { ForwardContext } from "../../nn/forward-context.js";
import { type MemoryMode, muType, setMode, type TitanParts } from "./titan-parts.js";

/** The static side of a graph over whole sequences. */
export interface SequenceShape {
  readonly batch: number;
  readonly length: number;
  /** Whether the graph takes an attention mask. Causal graphs do without where padding is on the right. */
  readonly masked: boolean;
  readonly mode: MemoryMode;
  /** mu rises along the sequence, from 0 at the first token to what it is at the last. */
  readonly ramp: boolean;
}

const int64 = (...shape: number[]): TypeInfo => ({ dtype: "int64", shape });

const sequenceInputs = (parts: TitanParts, { batch, length, masked }: SequenceShape) => ({
  inputIds: int64(batch, length),
  ...(masked ? { mask: { dtype: "bool", shape: [batch, length] } as TypeInfo } : {}),
  mu: muType(parts),
});

type SequenceInputs = { readonly inputIds: Value; readonly mask?: Value; readonly mu: Value };

/** What a backbone is told beside its input. */
interface ContextInputs {
  readonly mask?: Value;
  readonly tokenTypeIds?: Value;
  readonly mu: Value;
}

/** Final hidden states, [B, S, hidden]. */
export function hiddenStates(
  parts: TitanParts,
  shape: SequenceShape,
  input: Value,
  { mask, tokenTypeIds, mu }: ContextInputs,
  checkpointing = false,
): Value {
  const { batch, length, mode, ramp } = shape;
  setMode(parts, mode, mu, ramp ? rising(length) : undefined);
  const context = new ForwardContext({ batch, length, mask, causal: parts.base.causal, checkpointing });
  return parts.base.forward(input, context, tokenTypeIds);
}

/** From 0 to 1 in even steps, [1, S, 1]. */
const rising = (length: number): Value =>
  constant(
    Tensor.f32(
      [1, length, 1],
      Array.from({ length }, (_, t) => (length === 1 ? 0 : t / (length - 1))),
    ),
  );

/** The sum of the next-token losses over all labels that are not -100. */
function lossSum(parts: TitanParts, hidden: Value, labels: Value): Value {
  const [batch, length, dim] = hidden.shape as [number, number, number];
  const none = constant(Tensor.int64([batch, 1], Array<number>(batch).fill(ignoreIndex)));
  const next = concat([slice(labels, 1, 1, length), none], 1);
  return crossEntropySum(
    reshape(hidden, [batch * length, dim]),
    asLanguageModel(parts.base).head,
    reshape(next, [batch * length]),
    !parts.frozen.quantized && parts.frozen.dtype === "f32" && parts.device !== "webgpu",
  );
}

/** Compiles token ids to logits, [B, S, vocab]. */
export function compileLogits(parts: TitanParts, shape: SequenceShape) {
  const logits = (inputs: SequenceInputs) =>
    asLanguageModel(parts.base).logits(hiddenStates(parts, shape, inputs.inputIds, inputs));
  return compile(logits, {
    inputs: sequenceInputs(parts, shape),
    frozen: parts.frozen,
    device: parts.device,
  });
}

/**
 * Compiles token ids to the norms of what the two paths of each titanized layer add to its output: each [L, B, S]
 * ({@link PathNorms}).
 */
export function compilePathNorms(parts: TitanParts, shape: SequenceShape) {
  const { batch, length } = shape;
  const norm = (x: Value) => reshape(sqrt(sum(mul(x, x), [2])), [1, batch, length]);
  return compile(
    (inputs: SequenceInputs) => {
      const attention: Value[] = [];
      const memory: Value[] = [];
      for (const layer of parts.wrapped) {
        layer.watch = (fromAttention, fromMemory) => {
          attention.push(norm(fromAttention));
          memory.push(norm(fromMemory));
        };
      }
      try {
        hiddenStates(parts, shape, inputs.inputIds, inputs);
      } finally {
        for (const layer of parts.wrapped) layer.watch = undefined;
      }
      return { attention: concat(attention, 0), memory: concat(memory, 0) };
    },
    { inputs: sequenceInputs(parts, shape), frozen: parts.frozen, device: parts.device },
  );
}

/** Compiles the sum of a batch's losses. */
export function compileLoss(parts: TitanParts, shape: SequenceShape) {
  return compile(
    ({ labels, ...inputs }: SequenceInputs & { labels: Value }) =>
      lossSum(parts, hiddenStates(parts, shape, inputs.inputIds, inputs), labels),
    {
      inputs: { ...sequenceInputs(parts, shape), labels: int64(shape.batch, shape.length) },
      frozen: parts.frozen,
      device: parts.device,
    },
  );
}

/** What a training graph has beside its shape. */
export interface TrainingShape extends SequenceShape {
  readonly dropout: number;
  readonly checkpointing: boolean;
}

/** Compiles the sum of a batch's losses, with its gradient by parameter name. */
export function compileLossAndGrad(parts: TitanParts, shape: TrainingShape) {
  const { fn, inputs } = lossAndGrad(parts, shape);
  return compile(fn, { inputs, frozen: parts.frozen, device: parts.device });
}

/** About what a run of {@link compileLossAndGrad}'s graph takes beside the weights, in bytes. */
export function lossAndGradBytes(parts: TitanParts, shape: TrainingShape): number {
  const { fn, inputs } = lossAndGrad(parts, shape);
  return estimateBytes(fn, inputs);
}

function lossAndGrad(parts: TitanParts, shape: TrainingShape) {
  const inputs = {
    ...sequenceInputs(parts, shape),
    labels: int64(shape.batch, shape.length),
    ...(shape.dropout > 0 ? { seed: int64() } : {}),
  };
  const fn = valueAndGrad(({ labels, seed, ...inputs }: SequenceInputs & { labels: Value; seed?: Value }) => {
    for (const [i, layer] of parts.lora.entries()) {
      layer.dropout = seed && { rate: shape.dropout, seed: add(seed, i) };
    }
    try {
      return lossSum(parts, hiddenStates(parts, shape, inputs.inputIds, inputs, shape.checkpointing), labels);
    } finally {
      for (const layer of parts.lora) layer.dropout = undefined;
    }
  });
  return { fn, inputs };
}
