import {
  add,
  cast,
  checkpoint,
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
  softmax,
  split,
  sub,
  sum,
  takeAlong,
  type Value,
} from "../engine/index.js";

/** Labels that are not predicted (padding, a masked prompt). */
export const ignoredLabel = -100;

/** Rows whose logits are held at once: a weight matrix is read once for so many rows, which then costs nothing. */
const sliceRows = 256;

/**
 * Sum over rows of the cross entropy between softmax(x W^T) and the labels; rows with a negative label count as 0.
 * Logits exist for a slice of rows at a time, never for all. Under a frozen head the gradient to x is
 * computed together with the loss, from the same probabilities (as in Liger Kernel, arXiv 2410.10989).
 *
 * @param x hidden states [N, H]. @param head W [V, H]. @param labels int64 [N].
 */
export function crossEntropySum(x: Value, head: Parameter, labels: Value): Value {
  const rows = sliceOf(x.shape[0]!);
  return head.trainable ? trainableHead(x, head, labels, rows) : frozenHead(x, head, labels, rows);
}

/** The largest divisor of n up to {@link sliceRows}. */
function sliceOf(n: number): number {
  let rows = Math.min(n, sliceRows);
  while (n % rows !== 0) rows--;
  return rows;
}

function frozenHead(x: Value, head: Parameter, labels: Value, rows: number): Value {
  const slices = x.shape[0]! / rows;
  const hidden = x.shape[1]!;
  const one = (states: Value, targets: Value) => {
    const { loss, probabilities, target, counted } = sliceLoss(states, head, targets);
    const pull = sub(matmul(probabilities, head), gather(head, target));
    return { loss, gradient: mul(pull, reshape(counted, [-1, 1])) };
  };
  if (slices === 1) {
    const { loss, gradient } = one(x, labels);
    return customGradient(sum(loss), [x], (g) => [mul(g, gradient)]);
  }
  const { rows: results } = scan({
    carry: [],
    rows: [reshape(x, [slices, rows, hidden]), reshape(labels, [slices, rows])],
    body: (_, [states, targets]) => {
      const { loss, gradient } = one(states!, targets!);
      return { carry: [], rows: [loss, gradient] };
    },
  });
  const [loss, gradient] = results;
  return customGradient(sum(loss!), [x], (g) => [mul(g, reshape(gradient!, x.shape))]);
}

function trainableHead(x: Value, head: Parameter, labels: Value, rows: number): Value {
  const sizes = Array<number>(x.shape[0]! / rows).fill(rows);
  const states = split(x, 0, sizes);
  const targets = split(labels, 0, sizes);
  const losses = states.map((state, i) =>
    checkpoint(([s]) => sum(sliceLoss(s!, head, targets[i]!).loss), [state]),
  );
  return losses.reduce((a, b) => add(a, b));
}

/** Loss by row, [n], and what its gradient is made of. */
function sliceLoss(states: Value, head: Parameter, labels: Value) {
  const logits = matmul(states, head, { transB: true });
  const probabilities = softmax(logits);
  const target = maximum(labels, 0);
  const counted = cast(greaterEqual(labels, 0), states.dtype);
  // log sum exp(l) = l_j - log p_j for every j; the largest has the p that cannot underflow.
  const logSum = sub(max(logits, [1]), log(max(probabilities, [1])));
  const chosen = reshape(takeAlong(logits, reshape(target, [-1, 1]), 1), [-1]);
  return { loss: mul(sub(logSum, chosen), counted), probabilities, target, counted };
}
