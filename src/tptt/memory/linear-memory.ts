import type { Value } from "../../engine/index.js";
import type { Projections } from "../../nn/attention.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import type { PoolingConfig, RecurrentConfig } from "../config/operator-config.js";
import type { LinearState } from "./lcache.js";

/** What a {@link LinearMemory} is made of. */
export interface LinearMemoryOptions {
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly recurrentConfig: RecurrentConfig;
  readonly maxChunkSize: number;
  readonly bidirectional: boolean;
  readonly paddingSide: "left" | "right";
  readonly poolingConfig: PoolingConfig;
}

/** One of the two forms of the memory (`OperatorForm`): from raw projections to what its heads read. */
export interface LinearMemory {
  /**
   * @param projections raw: q [B, S, H * D], k and v [B, S, Hkv * D].
   * @param past what an earlier call left.
   * @returns what the heads read, [B, S, H, D], and what the next call needs.
   */
  read(
    projections: Projections,
    context: ForwardContext,
    past: LinearState | undefined,
  ): { heads: Value; state: LinearState };

  /** What is kept between calls, by shape. */
  stateShapes(batch: number): LinearState<readonly number[]>;
}

/** Which projections the gates are made of. */
export const gateSources = ({ alphaGate, betaGate }: RecurrentConfig): ReadonlySet<string> =>
  new Set([...alphaGate, ...betaGate]);
