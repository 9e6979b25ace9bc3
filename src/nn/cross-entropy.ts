import {
  add,
  after,
  cast,
  checkpoint,
  concat,
  constant,
  customGradient,
  expand,
  gather,
  greaterEqual,
  log,
  matmul,
  max,
  maximum,
  mul,
  type Parameter,
  reshape,
  scalar,
  scan,
  scoped,
  sigmoid,
  softmax,
  split,
  sub,
  sum,
  Tensor,
  takeAlong,
  type Value,
  zeros,
} from "../engine/index.js";

/** Rows whose logits of all words are held at once, where the head is trained. */
const trainableRows = 256;
/** Rows that a frozen head takes together: it is read once for all of them, which then costs nothing. */
const frozenRows = 1024;
/** Words of a part of a frozen head: the logits of 1,024 rows are then small enough for the heap, see docs/decisions. */
const partWords = 4096;

/** Rows that are treated together. */
interface Slice {
  /** Hidden states, [n, H]. */
  readonly x: Value;
  /** int64 [n] */
  readonly labels: Value;
}

/**
 * Sum over rows of the cross entropy between softmax(x W^T) and the labels; rows with a negative label count as 0.
 * Logits exist for a slice of rows and of words at a time, never for all. Under a frozen head the gradient to x is
 * computed together with the loss, from the same probabilities (as in Liger Kernel, arXiv 2410.10989).
 *
 * @param x hidden states [N, H]. @param head W [V, H]. @param labels int64 [N].
 * @param loop whether a loop goes through the parts of a frozen head: fewer nodes, and the processor does it faster. Parts
 * in blocks are only fast as constants, and some devices have no loops.
 */
export function crossEntropySum(x: Value, head: Parameter, labels: Value, loop = true): Value {
  const slices = Math.ceil(x.shape[0]! / (head.trainable ? trainableRows : frozenRows));
  const padded = padRows({ x, labels }, slices);
  return scoped("head", () =>
    head.trainable ? trainableHead(padded, head, slices) : frozenHead(padded, head, slices, loop),
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

/** How many equal parts a vocabulary is cut into; undefined where there is no good number, as for a prime. */
function equalParts(words: number): number | undefined {
  const least = Math.ceil(words / partWords);
  for (let parts = least; parts < 4 * least; parts++) if (words % parts === 0) return parts;
  return undefined;
}

function frozenHead({ x, labels }: Slice, head: Parameter, slices: number, loop: boolean): Value {
  const [count, hidden] = x.shape as [number, number];
  const one = (slice: Slice) => {
    const { logSums, pulls } = softmaxPulls(slice.x, head, loop);
    const target = gather(head, maximum(slice.labels, 0));
    const counted = cast(greaterEqual(slice.labels, 0), x.dtype);
    const chosen = sum(mul(slice.x, target), [1]);
    return [
      mul(sub(reshape(logSums, [-1]), chosen), counted),
      mul(sub(pulls, target), reshape(counted, [-1, 1])),
    ];
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

/** What some of a head's words give each row. */
interface Pulls {
  /** log sum exp of the logits, [n, 1]. */
  readonly logSums: Value;
  /** The words' rows of the head, weighted by their probabilities, [n, H]. */
  readonly pulls: Value;
}

/**
 * The head is read part by part, so that logits stay in the processor's cache; each part has a softmax of its own, and
 * is added to those before it by its share of the probability (as in Flash attention, Dao et al., arXiv 2205.14135).
 */
function softmaxPulls(x: Value, head: Parameter, loop: boolean): Pulls {
  const [words, hidden] = head.shape as [number, number];
  const ofPart = (x: Value, part: Value): Pulls => {
    const logits = matmul(x, part, { transB: true });
    const probabilities = softmax(logits);
    return { logSums: logSumExp(logits, probabilities), pulls: matmul(probabilities, part) };
  };
  const none: Pulls = {
    logSums: expand(scalar(-1e30, x.dtype), [x.shape[0]!, 1]),
    pulls: zeros(x.dtype, x.shape),
  };
  const equal = loop ? equalParts(words) : undefined;
  if (equal) {
    const [logSums, pulls] = scan({
      carry: [none.logSums, none.pulls],
      rows: [reshape(head, [equal, words / equal, hidden])],
      body([logSums, pulls], [part]) {
        const sum = together({ logSums: logSums!, pulls: pulls! }, ofPart(x, part!));
        return { carry: [sum.logSums, sum.pulls], rows: [] };
      },
    }).carry as [Value, Value];
    return { logSums, pulls };
  }
  const sizes = Array.from({ length: Math.ceil(words / partWords) }, (_, i) =>
    Math.min(partWords, words - i * partWords),
  );
  // A part waits for those before it: else ONNX Runtime computes all log sums first, for the loss, and keeps all probabilities.
  return split(head, 0, sizes).reduce(
    (before, part) => together(before, ofPart(after(x, before.pulls), part)),
    none,
  );
}

/** What the words of both give. */
function together(a: Pulls, b: Pulls): Pulls {
  const difference = sub(b.logSums, a.logSums);
  const share = sigmoid(difference);
  // The larger one's share is at least a half, so that its logarithm is exact.
  const larger = maximum(share, sub(1, share));
  return {
    logSums: sub(maximum(a.logSums, b.logSums), log(larger)),
    pulls: add(a.pulls, mul(share, sub(b.pulls, a.pulls))),
  };
}

function trainableHead({ x, labels }: Slice, head: Parameter, slices: number): Value {
  const sizes = Array<number>(slices).fill(x.shape[0]! / slices);
  const targets = split(labels, 0, sizes);
  return split(x, 0, sizes)
    .map((part, i) => checkpoint(([x]) => sliceLoss({ x: x!, labels: targets[i]! }, head), [part]))
    .reduce((a, b) => add(a, b));
}

/** The sum of the losses. */
function sliceLoss({ x, labels }: Slice, head: Parameter): Value {
  const logits = matmul(x, head, { transB: true });
  const target = reshape(maximum(labels, 0), [-1, 1]);
  const losses = sub(logSumExp(logits, softmax(logits)), takeAlong(logits, target, 1));
  return sum(mul(reshape(losses, [-1]), cast(greaterEqual(labels, 0), x.dtype)));
}

/**
 * log sum exp of each row of logits, [n, 1], from their softmax: l_j - log p_j for every j, and the largest has the p that
 * cannot underflow.
 */
export function logSumExp(logits: Value, probabilities: Value): Value {
  const value = sub(max(logits, [1], true), log(max(probabilities, [1], true)));
  return customGradient(value, [logits], (g) => [mul(g, probabilities)]);
}
