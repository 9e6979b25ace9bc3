import {
  add,
  cast,
  checkpoint,
  concat,
  constant,
  customGradient,
  gather,
  greaterEqual,
  log,
  matmul,
  max,
  maximum,
  mul,
  type Parameter,
  reshape,
  scan,
  scoped,
  softmax,
  split,
  sub,
  sum,
  Tensor,
  takeAlong,
  type Value,
  zeros,
} from "../engine/index.js";

/** Logits of at most so many rows are held at once: the head is read once for all of them, which then costs nothing. */
const sliceRows = 256;

/** Rows that are treated together. */
interface Slice {
  /** Hidden states, [n, H]. */
  readonly x: Value;
  /** int64 [n] */
  readonly labels: Value;
}

/**
 * Sum over rows of the cross entropy between softmax(x W^T) and the labels; rows with a negative label count as 0.
 * Logits exist for a slice of rows at a time, never for all. Under a frozen head the gradient to x is
 * computed together with the loss, from the same probabilities (as in Liger Kernel, arXiv 2410.10989).
 *
 * @param x hidden states [N, H]. @param head W [V, H]. @param labels int64 [N].
 */
export function crossEntropySum(x: Value, head: Parameter, labels: Value): Value {
  const slices = Math.ceil(x.shape[0]! / sliceRows);
  const padded = padRows({ x, labels }, slices);
  return scoped("head", () =>
    head.trainable ? trainableHead(padded, head, slices) : frozenHead(padded, head, slices),
  );
}

/** The same with rows that do not count, so that all slices are of one size. */
function padRows({ x, labels }: Slice, slices: number): Slice {
  const [count, hidden] = x.shape as [number, number];
  const more = Math.ceil(count / slices) * slices - count;
  if (more === 0) return { x, labels };
  const ignored = Tensor.int64([more], Array<number>(more).fill(-1));
  return {
    x: concat([x, zeros(x.dtype, [more, hidden])], 0),
    labels: concat([labels, constant(ignored)], 0),
  };
}

function frozenHead({ x, labels }: Slice, head: Parameter, slices: number): Value {
  const [count, hidden] = x.shape as [number, number];
  const one = (slice: Slice) => {
    const { losses, probabilities, target, counted } = sliceLoss(slice, head);
    const pull = sub(matmul(probabilities, head), gather(head, target));
    return [losses, mul(pull, reshape(counted, [-1, 1]))];
  };
  const all = () =>
    scan({
      carry: [],
      rows: [reshape(x, [slices, count / slices, hidden]), reshape(labels, [slices, count / slices])],
      body: (_, [x, labels]) => ({ carry: [], rows: one({ x: x!, labels: labels! }) }),
    }).rows;
  const [losses, gradient] = slices === 1 ? one({ x, labels }) : all();
  return customGradient(sum(losses!), [x], (g) => [mul(g, reshape(gradient!, x.shape))]);
}

function trainableHead({ x, labels }: Slice, head: Parameter, slices: number): Value {
  const sizes = Array<number>(slices).fill(x.shape[0]! / slices);
  const targets = split(labels, 0, sizes);
  return split(x, 0, sizes)
    .map((part, i) =>
      checkpoint(([x]) => sum(sliceLoss({ x: x!, labels: targets[i]! }, head).losses), [part]),
    )
    .reduce((a, b) => add(a, b));
}

/** Losses by row, [n], and what their gradient is made of. */
function sliceLoss({ x, labels }: Slice, head: Parameter) {
  const logits = matmul(x, head, { transB: true });
  const probabilities = softmax(logits);
  const target = maximum(labels, 0);
  const counted = cast(greaterEqual(labels, 0), x.dtype);
  const chosen = takeAlong(logits, reshape(target, [-1, 1]), 1);
  const losses = mul(reshape(sub(logSumExp(logits, probabilities), chosen), [-1]), counted);
  return { losses, probabilities, target, counted };
}

/** log sum exp of each row, [n, 1]: l_j - log p_j for every j, and the largest has the p that cannot underflow. */
function logSumExp(logits: Value, probabilities: Value): Value {
  const value = sub(max(logits, [1], true), log(max(probabilities, [1], true)));
  return customGradient(value, [logits], (g) => [mul(g, probabilities)]);
}
