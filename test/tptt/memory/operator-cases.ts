import { expand, reshape, Tensor, transpose, type Value, vjp } from "../../../src/engine/index.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import type { Gate, RecurrentConfig, Trick } from "../../../src/tptt/config/operator-config.js";
import { LinearAttention } from "../../../src/tptt/memory/linear-attention.js";
import { applyLinearAttentionMask } from "../../../src/tptt/memory/linear-attention-mask.js";
import { LinearAttentionOp } from "../../../src/tptt/memory/linear-attention-op.js";
import { prepareAttentionInput } from "../../../src/tptt/memory/linear-memory.js";
import { ReferenceMemory } from "../../../src/tptt/memory/reference-memory.js";
import { evaluate } from "./run.js";

/** A case of interop/operator_cases.py. */
export interface OperatorCase {
  /** A named operator, or nothing. */
  readonly mode: string;
  readonly order: number;
  readonly alpha_gate: Gate;
  readonly beta_gate: Gate;
  readonly linear: boolean;
  readonly trick: Trick;
  readonly length: number;
  readonly mask: "none" | "left" | "right";
  readonly chunk: number;
  readonly lookahead: boolean;
  readonly bidirectional: boolean;
  /** By result: how far Python's float32 is from its float64, relative to the largest number. */
  readonly rounding: Readonly<Record<string, number>>;
}

/** Sizes that all cases have in common. */
export interface OperatorShape {
  readonly batch: number;
  readonly heads: number;
  readonly groups: number;
  readonly dim: number;
}

/** What is computed for a case. */
export const operatorResults = ["output", "state", "grad.q", "grad.k", "grad.v"] as const;
type Results = Record<(typeof operatorResults)[number], Tensor>;

/**
 * What the form `tptt-0.12` gives: the output [B, S, H * D], the last memory [B, H, D, D], and the gradients of the sum
 * of the output times `grad` to the raw projections.
 *
 * @param inputs q, k, v and grad of the longest case.
 */
export async function runOperatorCase(
  given: OperatorCase,
  { batch, heads, groups, dim }: OperatorShape,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<Results> {
  const { length } = given;
  const recurrentConfig: RecurrentConfig = {
    order: given.order,
    alphaGate: given.alpha_gate,
    betaGate: given.beta_gate,
    linear: given.linear,
    trick: given.trick,
  };
  const options = {
    numHeads: heads,
    numKeyValueHeads: groups,
    headDim: dim,
    recurrentConfig,
    maxChunkSize: given.chunk,
    bidirectional: given.bidirectional,
    paddingSide: given.mask === "left" ? "left" : "right",
    poolingConfig: { lookahead: given.lookahead },
  } as const;
  const layer = new LinearAttention({ ...options, operatorForm: "tptt-0.12" });
  const memory = new ReferenceMemory(options);
  const padding = maskOf(given, batch);
  const cut = (name: string) => firstTokens(inputs.get(name)!, length);

  const { output, state, q, k, v } = await evaluate(
    ({ q, k, v, grad, mask }) => {
      const output = layer.forward({ q, k, v }, new ForwardContext({ batch, length, mask }));
      const [toQ, toK, toV] = vjp([output], [grad], [q, k, v]);
      const masked = mask ? applyLinearAttentionMask(mask, v, options.paddingSide) : v;
      const { expanded } = memory.computeExtendedHouseholder({
        ...prepareAttentionInput({ q, k, v: masked }, dim),
        ...memory.computeGate(k, masked),
      });
      const { state } = LinearAttentionOp.chunkDeltaProductForward(
        byHead(expanded),
        given.chunk,
        recurrentConfig,
      );
      // Python keeps a memory for each query head.
      const perHead = expand(reshape(state, [batch, groups, 1, dim, dim]), [
        batch,
        groups,
        heads / groups,
        dim,
        dim,
      ]);
      return { output, state: reshape(perHead, [batch, heads, dim, dim]), q: toQ!, k: toK!, v: toV! };
    },
    {
      q: cut("q"),
      k: cut("k"),
      v: cut("v"),
      grad: cut("grad"),
      ...(padding ? { mask: padding } : {}),
    } as { q: Tensor; k: Tensor; v: Tensor; grad: Tensor; mask?: Tensor },
  );
  return { output, state, "grad.q": q, "grad.k": k, "grad.v": v };
}

/** [B, S, H, n, D] -> [B, H, S, n, D] */
function byHead<T extends Record<"q" | "k" | "v" | "beta", Value> & { readonly alpha?: Value | undefined }>(
  x: T,
) {
  const swap = (y: Value) => transpose(y, [0, 2, 1, 3, 4]);
  return { q: swap(x.q), k: swap(x.k), v: swap(x.v), beta: swap(x.beta), alpha: x.alpha && swap(x.alpha) };
}

/** bool [B, S] with a third of the second row padded. */
function maskOf({ mask, length }: OperatorCase, batch: number): Tensor | undefined {
  if (mask === "none") return undefined;
  const padding = Math.floor(length / 3);
  const real = (b: number, t: number) => b !== 1 || (mask === "left" ? t >= padding : t < length - padding);
  const cells = Array.from({ length: batch * length }, (_, i) =>
    Number(real(Math.floor(i / length), i % length)),
  );
  return new Tensor("bool", [batch, length], Uint8Array.from(cells));
}

function firstTokens({ shape, f32 }: Tensor, length: number): Tensor {
  const [batch, whole, features] = shape as [number, number, number];
  const rows = Array.from({ length: batch }, (_, b) => [
    ...f32.subarray(b * whole * features, (b * whole + length) * features),
  ]);
  return Tensor.f32([batch, length, features], rows.flat());
}
