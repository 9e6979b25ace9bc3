import { Random } from "../../random.js";
import { Tensor } from "../tensor.js";
import { constant, type Value } from "../value.js";
import { after } from "./control.js";
import { add, cast, greaterEqual, mul } from "./elementwise.js";

/** Fixed random words, one for each row (or column) of a mask. */
function words(shape: readonly number[], purpose: string): Value {
  const random = Random.for(0, "dropout", purpose);
  const tensor = Tensor.zeros("int32", shape);
  for (let i = 0; i < tensor.size; i++) tensor.data[i] = random.uint32() | 0;
  return constant(tensor);
}

/**
 * A hash of (seed, row, column) in 32-bit integers that wrap: two words, each the row's word stirred by the seed plus
 * the column's, and their product, whose high bits depend on all bits of both. It takes sums and products only
 * because ONNX Runtime's xor is ten times slower.
 */
function hash(shape: readonly number[], seed: Value): Value {
  const stirred = (purpose: string) => add(words(shape.with(-1, 1), purpose), seed);
  const word = (a: string, b: string, column: string) =>
    add(mul(stirred(a), stirred(b)), words(shape.slice(-1), column));
  return mul(word("row a", "row b", "column a"), word("row c", "row d", "column b"));
}

/**
 * Inverted dropout (Srivastava et al., 2014): each element is zero with probability `rate`, else divided by 1 - rate.
 * The mask is a function of the seed and the place alone, so the same seed gives the same mask, in every graph.
 * @param seed int32 or int64 scalar, an input of the graph: another one at every step and every place of use.
 */
export function dropout(x: Value, rate: number, seed: Value): Value {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropout: expected a rate in [0, 1), got ${rate}`);
  if (rate === 0) return x;
  // The mask comes after x: in a checkpoint it is made again, like all that follows from x, and not kept.
  const place = after(cast(seed, "int32"), x);
  const keep = greaterEqual(hash(x.shape, place), Math.floor((rate - 0.5) * 2 ** 32));
  return mul(mul(x, cast(keep, x.dtype)), 1 / (1 - rate));
}
