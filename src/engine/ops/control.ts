import { vjp } from "../autodiff.js";
import { call, defineOp, shapeError } from "../op.js";
import { sameShape, Tensor } from "../tensor.js";
import {
  apply,
  type Body,
  close,
  constant,
  input,
  type Node,
  nodesOf,
  type Op,
  oldest,
  parameterOp,
  scalar,
  substitute,
  type Value,
} from "../value.js";
import { add, less, mul, where } from "./elementwise.js";
import { gather } from "./indexing.js";
import { matmulOp } from "./linalg.js";
import { reshape, zeros } from "./shape.js";

interface Scan {
  readonly body: Body;
  /** How many of the inputs are carried from step to step, and how many are read one row a step. */
  readonly carries: number;
  readonly rows: number;
  readonly steps: number;
  readonly reverse: boolean;
}

/**
 * Inputs: carries, row inputs [steps, ..], captured values. Outputs: the last carries, the carries as they were
 * before each step [steps, ..] (kept only when something reads them, as the gradient does), the row outputs.
 */
export const scanOp: Op = defineOp<Scan>({
  name: "scan",
  infer(inputs, { body, carries, rows, steps }) {
    for (const x of inputs.slice(carries, carries + rows)) {
      if (x.shape[0] !== steps) throw shapeError("scan", inputs, `row inputs with ${steps} rows`);
    }
    const last = body.outputs.slice(0, carries);
    for (const [i, x] of last.entries()) {
      if (!sameShape(x.shape, inputs[i]!.shape))
        throw shapeError("scan", [inputs[i]!, x], "a carry of constant shape");
    }
    const stacked = [...last, ...body.outputs.slice(carries)];
    return [...last, ...stacked.map(({ dtype, shape }) => ({ dtype, shape: [steps, ...shape] }))];
  },
  onnx(e, inputs, outputs, { body, carries, rows, reverse }, node) {
    const before = body.placeholders.slice(0, carries);
    const results = [...body.outputs.slice(0, carries), ...before, ...body.outputs.slice(carries)];
    const kept = node.outputs.map((value, i) => i < carries || e.used(value));
    const own = carries + rows;
    const graph = e.subgraph(
      body.placeholders,
      inputs.slice(own),
      results.filter((_, i) => kept[i]),
    );
    const stacks = kept.slice(carries).filter(Boolean).length;
    const direction = (n: number) => Array.from({ length: n }, () => (reverse ? 1 : 0));
    e.node(
      "Scan",
      inputs.slice(0, own),
      outputs.filter((_, i) => kept[i]),
      {
        body: graph,
        num_scan_inputs: rows,
        scan_input_directions: direction(rows),
        ...(stacks > 0 ? { scan_output_directions: direction(stacks) } : {}),
      },
    );
  },
  grad({ inputs, outputs, grads, attrs: { body, carries, rows, reverse }, needs }) {
    // One step of the backward scan: rebuild the forward step from its saved carry, and pull the gradients through.
    const step = body.placeholders;
    const outer = new Map(step.slice(carries + rows).map((x, i) => [x, inputs[carries + rows + i]!]));
    const gLast = grads.slice(0, carries);
    const gBefore = grads.slice(carries, 2 * carries);
    const gRows = grads.slice(2 * carries);
    const capturedNeeds = step.slice(carries + rows).filter((_, i) => needs[carries + rows + i]);
    const sums = capturedNeeds.map((x) => zeros(x.dtype, x.shape));
    const saved = outputs.slice(carries, 2 * carries);
    const result = scan({
      carry: [...gLast, ...sums],
      rows: [...saved, ...inputs.slice(carries, carries + rows), ...gBefore, ...gRows],
      reverse: !reverse,
      body(carry, row) {
        const [here, own] = [row.slice(0, carries), row.slice(carries, carries + rows)];
        const [extra, gOut] = [row.slice(carries + rows, 2 * carries + rows), row.slice(2 * carries + rows)];
        const replay = new Map([...here, ...own].map((x, i) => [step[i]!, x]));
        const wrt = [...here, ...own, ...capturedNeeds];
        const pulled = vjp(substitute(body.outputs, replay), [...carry.slice(0, carries), ...gOut], wrt);
        const full = substitute(
          pulled.map((g, i) => g ?? zeros(wrt[i]!.dtype, wrt[i]!.shape)),
          outer,
        );
        return {
          carry: [
            ...full.slice(0, carries).map((g, i) => add(g, extra[i]!)),
            ...full.slice(carries + rows).map((g, i) => add(g, carry[carries + i]!)),
          ],
          rows: full.slice(carries, carries + rows),
        };
      },
    });
    let next = carries;
    const captured = needs.slice(carries + rows).map((need) => (need ? result.carry[next++] : undefined));
    return [...result.carry.slice(0, carries), ...result.rows, ...captured];
  },
});

interface CustomGradient {
  /** How many of the inputs are passed on. */
  readonly values: number;
  readonly rule: (grads: readonly Value[], needs: readonly boolean[]) => readonly (Value | undefined)[];
}

/** The first inputs, with the gradient of the others given by hand. Nothing is emitted. */
export const customGradientOp: Op = defineOp<CustomGradient>({
  name: "customGradient",
  infer: (inputs, { values }) => inputs.slice(0, values),
  onnx: () => {
    throw new Error("customGradient: expected to be removed before it is emitted");
  },
  grad: ({ grads, attrs: { rule, values }, needs }) => [
    ...grads.map(() => undefined),
    ...rule(grads, needs.slice(values)),
  ],
});

/**
 * x as it is, but not before `signal`: what is computed from it is told apart from what is computed from x. ONNX Runtime
 * merges equal computations, but does not see that a factor is always one. It multiplies in place where nothing else reads x.
 */
export function after(x: Value, signal: Value): Value {
  const first = gather(reshape(signal, [-1]), constant(Tensor.int64([], [0])));
  return mul(x, where(less(first, first), scalar(0, x.dtype), scalar(1, x.dtype)));
}

interface Checkpoint {
  /** Its outputs: the result, and what of the computation is kept for the gradient. */
  readonly body: Body;
  /** The latter as they were traced: gradient rules may know them so. */
  readonly kept: readonly Value[];
  /** How many of the inputs were given as such; those behind are captured. */
  readonly given: number;
}

/** A traced function whose gradient computes it again; the compiler puts its body in its place. */
export const checkpointOp: Op = defineOp<Checkpoint>({
  name: "checkpoint",
  infer: (_, { body }) => body.outputs,
  onnx: () => {
    throw new Error("checkpoint: expected to be inlined before it is emitted");
  },
  grad({ inputs, outputs, grads: [g], attrs: { body, kept, given }, needs }) {
    // Computed again from values that wait for the gradient: otherwise ONNX Runtime would keep the first computation.
    const again = inputs.map((x, i) => {
      const waits = (i < given || needs[i]) && x.node.op !== parameterOp && x.dtype !== "bool";
      return waits ? after(x, g!) : x;
    });
    const wrt = body.placeholders.filter((_, i) => needs[i]);
    const found = vjp([body.outputs[0]!], [g!], wrt).map((g, i) => g ?? zeros(wrt[i]!.dtype, wrt[i]!.shape));
    const known = new Map(body.placeholders.map((p, i) => [p, again[i]!]));
    for (const [i, x] of kept.entries()) {
      const value = after(outputs[i + 1]!, g!);
      known.set(x, value).set(body.outputs[i + 1]!, value);
    }
    const pulled = substitute(found, known);
    let next = 0;
    return needs.map((need) => (need ? pulled[next++] : undefined));
  },
});

/** Whether a node is a product with a weight that is no larger than what it is made of: dear to compute, and little to keep. */
const isWorthKeeping = ({ op, inputs: [a, b], outputs: [product] }: Node): boolean =>
  op === matmulOp && b!.node.op === parameterOp && product!.size <= a!.size;

/** What {@link scan} is given. */
export interface ScanOptions {
  readonly carry: readonly Value[];
  /** Values [steps, ..]; each step sees one row of each. */
  readonly rows: readonly Value[];
  /** From the last row to the first. */
  readonly reverse?: boolean;
  /** One step: from the carry and a row of each of `rows` to the next carry and a row of each output. */
  body(carry: readonly Value[], row: readonly Value[]): { carry: readonly Value[]; rows: readonly Value[] };
}

/** What {@link scan} gives: the last carry, the carry before each step [steps, ..], the row outputs [steps, ..]. */
export interface ScanResult {
  readonly carry: readonly Value[];
  readonly before: readonly Value[];
  readonly rows: readonly Value[];
}

/**
 * A loop over rows with a carried state, as one node whatever the number of steps. The body may read values from
 * outside. Differentiable: the carry before each step is kept, each step is computed again in the backward pass.
 */
export function scan({ carry, rows, reverse = false, body }: ScanOptions): ScanResult {
  const states = carry.map((x) => input(x.dtype, x.shape));
  const slices = rows.map((x) => input(x.dtype, x.shape.slice(1)));
  const traced = body(states, slices);
  const closed = close([...states, ...slices], [...traced.carry, ...traced.rows]);
  const attrs: Scan = {
    body: closed.body,
    carries: carry.length,
    rows: rows.length,
    steps: rows[0]!.shape[0]!,
    reverse,
  };
  const outputs = apply(scanOp, [...carry, ...rows, ...closed.captured], attrs);
  const n = carry.length;
  return { carry: outputs.slice(0, n), before: outputs.slice(n, 2 * n), rows: outputs.slice(2 * n) };
}

/** Values as they are, but their gradients flow to `sources` by `rule` (which is told which of them are needed). */
export function customGradients(
  values: readonly Value[],
  sources: readonly Value[],
  rule: CustomGradient["rule"],
): readonly Value[] {
  return apply(customGradientOp, [...values, ...sources], { values: values.length, rule });
}

/** The same for one value. */
export function customGradient(
  value: Value,
  sources: readonly Value[],
  rule: (g: Value, needs: readonly boolean[]) => readonly (Value | undefined)[],
): Value {
  return customGradients([value], sources, ([g], needs) => rule(g!, needs))[0]!;
}

/**
 * Gradient checkpointing (Chen et al., arXiv 1604.06174): `fn` is computed again in the backward pass, not kept, but for
 * products with weights that are no larger than what they are made of. What depends on `inputs` is computed again, what
 * `fn` reads from outside is kept: give the seed of a dropout as an input.
 */
export function checkpoint(fn: (inputs: readonly Value[]) => Value, inputs: readonly Value[]): Value {
  const placeholders = inputs.map((x) => input(x.dtype, x.shape));
  const result = fn(placeholders);
  const inside = nodesOf([result], oldest(placeholders));
  const kept = inside.filter(isWorthKeeping).map(({ outputs: [product] }) => product!);
  const { body, captured } = close(placeholders, [result, ...kept]);
  return call(checkpointOp, [...inputs, ...captured], { body, kept, given: inputs.length });
}
