import {
  accumulate,
  add,
  cast,
  concat,
  div,
  gather,
  less,
  mul,
  putAlong,
  reshape,
  scalar,
  scatterAdd,
  softmax,
  sum,
  topK,
  transpose,
  type Value,
  zeros,
} from "../engine/index.js";
import { Linear } from "./layers.js";
import { Module } from "./module.js";
import type { TokenModule } from "./pre-norm-block.js";

/** Rows of the smallest tile: with fewer, a product spends its time on reading the matrix. */
const leastTile = 16;

/** What a {@link MixtureOfExperts} is made of. */
export interface MixtureOfExpertsOptions {
  readonly hiddenSize: number;
  /** How many experts a token is given to. */
  readonly expertsPerToken: number;
  /** Whether the weights of a token's experts are made to sum to 1. */
  readonly normalize: boolean;
  readonly experts: readonly TokenModule[];
}

/**
 * A sparse mixture of experts (Shazeer et al., arXiv 1701.06538): a router gives each token to the `expertsPerToken`
 * experts of the highest probability, and sums what these make of it, weighted by their probabilities. No token is
 * dropped, however many want the same expert; an expert that no token wants is not run.
 */
export class MixtureOfExperts extends Module {
  /** The router. */
  readonly gate: Linear;
  readonly experts: readonly TokenModule[];
  readonly #expertsPerToken: number;
  readonly #normalize: boolean;

  constructor({ hiddenSize, expertsPerToken, normalize, experts }: MixtureOfExpertsOptions) {
    super();
    this.gate = new Linear(hiddenSize, experts.length);
    this.experts = experts;
    this.#expertsPerToken = expertsPerToken;
    this.#normalize = normalize;
  }

  /** [.., hidden] -> [.., hidden] */
  forward(x: Value): Value {
    const tokens = reshape(x, [-1, x.shape.at(-1)!]);
    const { counts, places, weights } = this.#tiles(this.#route(tokens));
    const tiles = places.shape[0]! / this.experts.length;
    let sums = zeros(x.dtype, tokens.shape);
    for (const [e, expert] of this.experts.entries()) {
      const count = gather(counts, scalar(e, "int64"));
      const step = (tile: Value) => {
        const at = add(tile, e * tiles);
        const place = gather(places, at);
        const made = expert.forward(gather(tokens, place));
        return [scatterAdd(tokens.shape, place, mul(made, reshape(gather(weights, at), [-1, 1])))];
      };
      sums = accumulate(count, [sums], step)[0]!;
    }
    return reshape(sums, x.shape);
  }

  /** The weight of each expert for each token, 0 where it is not asked: [N, E]. */
  #route(tokens: Value): Value {
    const probabilities = softmax(this.gate.forward(tokens));
    const { values, indices } = topK(probabilities, this.#expertsPerToken);
    const weights = this.#normalize ? div(values, sum(values, [-1], true)) : values;
    return putAlong(probabilities.shape, indices, weights, 1);
  }

  /**
   * The tokens of each expert, those that want it most first, in tiles of T, so that all shapes are known: an expert
   * works through as many tiles as hold tokens that want it.
   *
   * @returns `counts` int64 [E], the tiles of each expert that hold such tokens; `places` int64 [E * tiles, T], the
   *   tokens in each tile; `weights` [E * tiles, T], theirs, 0 for those that only fill the last one.
   */
  #tiles(routed: Value): { counts: Value; places: Value; weights: Value } {
    const [tokens, experts] = routed.shape as [number, number];
    const meanLoad = Math.ceil((tokens * this.#expertsPerToken) / experts);
    const size = Math.min(tokens, Math.max(leastTile, meanLoad));
    const tiles = Math.ceil(tokens / size);
    const chosen = sum(cast(less(0, routed), "int64"), [0]);
    const { values, indices } = topK(transpose(routed, [1, 0]), tokens);
    const tiled = (x: Value) => {
      const more = tiles * size - tokens;
      const padded = more === 0 ? x : concat([x, zeros(x.dtype, [experts, more])], 1);
      return reshape(padded, [experts * tiles, size]);
    };
    return {
      counts: div(add(chosen, size - 1), scalar(size, "int64")),
      places: tiled(indices),
      weights: tiled(values),
    };
  }
}
