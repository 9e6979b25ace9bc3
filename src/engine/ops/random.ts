import { Random } from "../../random.js";
import { Tensor } from "../tensor.js";
import { constant, type Value } from "../value.js";
import { add, bitwiseXor, cast, less, mul, where } from "./elementwise.js";

/** Fixed random words, one for each row (or column) of a mask. */
function words(shape: readonly number[], purpose: string): Value {
  const random = Random.for(0, "dropout", purpose);
  const tensor = Tensor.zeros("int32", shape);
  for (let i = 0; i < tensor.size; i++) tensor.data[i] = random.uint32() | 0;
  return constant(tensor);
}

/**
 * A hash of (seed, row, column) in 32-bit integers that wrap: two words, each the row's word moved by the seed, xor the
 * column's, and their product, whose high bits depend on all bits of both.
 */
function hash(shape: readonly number[], seed: Value): Value {
  const word = (purpose: string, step: number) =>
    bitwiseXor(
      add(words(shape.with(-1, 1), `row ${purpose}`), mul(seed, step)),
      words(shape.slice(-1), `column ${purpose}`),
    );
  return mul(word("a", 0x1e3779b1), word("b", 0x5ebca6b5));
}

/**
 * Inverted dropout (Srivastava et al., 2014): each element is zero with probability `rate`, else divided by 1 - rate.
 * The mask is a function of the seed and the place alone, so the same seed gives the same mask, in every graph.
 * @param seed int32 or int64 scalar, an input of the graph: another one at every step and every place of use.
 */
export function dropout(x: Value, rate: number, seed: Value): Value {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropout: expected a rate in [0, 1), got ${rate}`);
  if (rate === 0) return x;
  const drop = less(hash(x.shape, cast(seed, "int32")), Math.floor((rate - 0.5) * 2 ** 32));
  return where(drop, 0, mul(x, 1 / (1 - rate)));
}
