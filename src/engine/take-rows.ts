import { gather } from "./ops/indexing.js";
import { reshape, reshapeOp } from "./ops/shape.js";
import { sizeOf } from "./tensor.js";
import { apply, nodesOf, type Value, withScope } from "./value.js";

/**
 * Some rows of x [.., n], of its last axis: [count, n]. Ops that treat rows apart compute these alone, as far back as
 * nothing else needs the others.
 *
 * @param rows int64 [count]: which, counted over all other axes of x. @param computed what is computed in any case: of
 * what it depends on rows are taken.
 */
export function takeRows(x: Value, rows: Value, computed: readonly Value[]): Value {
  const total = sizeOf(x.shape.slice(0, -1));
  const known = new Set(nodesOf(computed));
  const taken = new Map<Value, Value>();

  /** How many axes of a value count the rows: its first, or none. */
  const rowAxes = ({ shape }: Value) =>
    shape.findIndex((_, i) => sizeOf(shape.slice(0, i + 1)) === total) + 1;

  const take = (value: Value): Value => {
    if (!taken.has(value)) {
      const { node, index } = value;
      const inputs = known.has(node) ? undefined : inputsOf(value);
      const row = value.shape.slice(rowAxes(value));
      if (!inputs) taken.set(value, reshape(gather(reshape(value, [total, -1]), rows), [rows.size, ...row]));
      else if (node.op === reshapeOp) taken.set(value, reshape(inputs[0]!, [rows.size, ...row]));
      else taken.set(value, withScope(node.scope, () => apply(node.op, inputs, node.attrs))[index]!);
    }
    return taken.get(value)!;
  };

  /** The inputs of a value's node without the other rows; undefined where the node does not treat rows apart. */
  const inputsOf = (value: Value): readonly Value[] | undefined => {
    const { op, inputs, attrs } = value.node;
    const [first, ...others] = inputs;
    const axes = rowAxes(value);
    if (op === reshapeOp) return rowAxes(first!) > 0 ? [take(first!)] : undefined;
    switch (op.axes(inputs, attrs)) {
      case "all":
        return undefined;
      case "last":
        return axes < value.rank && rowAxes(first!) === axes ? [take(first!), ...others] : undefined;
      case "none": {
        // An input has something for each row, or the same for all.
        const own = inputs.map(({ shape, rank }) => shape.slice(0, Math.max(0, axes + rank - value.rank)));
        if (own.some((sizes) => ![1, total].includes(sizeOf(sizes)))) return undefined;
        return inputs.map((input, i) =>
          sizeOf(own[i]!) === 1 ? reshape(input, input.shape.slice(own[i]!.length)) : take(input),
        );
      }
    }
  };
  return take(x);
}
