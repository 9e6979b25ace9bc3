import { compile, gradients, mul, sizeOf, sum, Tensor, type Value } from "#dist/engine/index.js";
import { ForwardContext, LinearAttentionOp } from "#dist/index.js";
import { Random } from "#dist/random.js";
import { type OperatorWork, type Prepared, time } from "../work.js";

/** The exact operator with beta for each channel, alpha being 1. */
export async function prepareOperator(work: OperatorWork): Promise<Prepared> {
  const { batch, heads, length, dim, order, backward } = work;
  const operator = new LinearAttentionOp({ maxChunkSize: 64, linear: true, bidirectional: false });
  const read = (inputs: Inputs<Value>) =>
    operator.forward(inputs, new ForwardContext({ batch, length })).output;
  const tokens = [batch, length, heads, dim];
  const virtual = [batch, length, heads, order, dim];
  const types = {
    q: { dtype: "f32", shape: tokens },
    k: { dtype: "f32", shape: virtual },
    v: { dtype: "f32", shape: virtual },
    beta: { dtype: "f32", shape: tokens },
  } as const;
  const graph = await compile(
    (inputs: Inputs<Value>) => {
      const output = read(inputs);
      const { q, k, v, beta } = inputs;
      return backward ? gradients(sum(mul(output, output)), [q, k, v, beta]) : [output];
    },
    { inputs: types },
  );

  const random = Random.for(0, "operator");
  const draw = (shape: readonly number[], scale = 1) =>
    Tensor.f32(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => scale * random.uniform()),
    );
  const unit = dim ** -0.5; // Keys and queries are about as long as the layer makes them.
  const feeds = { q: draw(tokens, unit), k: draw(virtual, unit), v: draw(virtual, unit), beta: draw(tokens) };
  return { repeat: () => time(() => graph.run(feeds)), release: () => graph.release() };
}

interface Inputs<T> {
  readonly q: T;
  readonly k: T;
  readonly v: T;
  readonly beta: T;
}
