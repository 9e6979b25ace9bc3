import { compile, type Executable, Tensor, type TypeInfo, type Value } from "../../../src/engine/index.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import { Random } from "../../../src/random.js";
import { LCache, type LinearState } from "../../../src/tptt/memory/lcache.js";
import { LinearAttention, type LinearAttentionOptions } from "../../../src/tptt/memory/linear-attention.js";
import type { LayerShape, Matrix, RawProjections } from "./reference.js";
import { draw, flatten } from "./run.js";

/** How the tokens of a batch are cut into calls. */
export interface Call {
  /** Real tokens of each row. */
  readonly counts: readonly number[];
  /** Tokens of the call, padding included. */
  readonly width: number;
  readonly side: "left" | "right";
}

const types = (tensors: object) => tensors as unknown as Record<string, TypeInfo>;
const f32 = (...shape: number[]): TypeInfo => ({ dtype: "f32", shape });

/** A layer that is run call by call with its state, and its graphs by length. */
export class LayerStream {
  readonly #layer: LinearAttention;
  readonly #cache = new LCache();
  readonly #shape: LayerShape;
  readonly #batch: number;
  readonly #graphs = new Map<string, Promise<Graph>>();
  #state: LinearState<Tensor>;
  #seen: number[];

  constructor(shape: LayerShape, batch: number, options: Partial<LinearAttentionOptions> = {}) {
    this.#shape = shape;
    this.#batch = batch;
    this.#layer = new LinearAttention({
      ...shape,
      ...options,
      layerIdx: 3,
      linearCache: this.#cache,
    });
    this.#state = this.#zeros();
    this.#seen = Array(batch).fill(0);
  }

  get state(): LinearState<Tensor> {
    return this.#state;
  }

  reset(): void {
    this.#state = this.#zeros();
    this.#seen.fill(0);
  }

  /** @returns for each row the outputs of its real tokens. `rows` are the whole sequences. */
  async run(
    rows: readonly RawProjections[],
    call: Call,
    { masked = true, cached = true } = {},
  ): Promise<Matrix[]> {
    const { counts, width, side } = call;
    const first = counts.map((count) => (side === "left" ? width - count : 0));
    const padded = (name: "q" | "k" | "v") => {
      const random = Random.for(9, "padding");
      const features = rows[0]![name][0]!.length;
      return rows.map((row, b) =>
        Array.from({ length: width }, (_, t) => {
          const i = t - first[b]!;
          const real = i >= 0 && i < counts[b]!;
          return real ? row[name][this.#seen[b]! + i]! : (draw(random, [features]) as number[]);
        }),
      );
    };
    const tensor = (x: readonly Matrix[]) => Tensor.f32([x.length, width, x[0]![0]!.length], flatten(x));
    const mask = new Tensor(
      "bool",
      [rows.length, width],
      Uint8Array.from(
        counts.flatMap((count, b) =>
          Array.from({ length: width }, (_, t) => +(t >= first[b]! && t < first[b]! + count)),
        ),
      ),
    );
    const graph = await this.#graph(width, masked, cached);
    const { output, state } = await graph.run({
      q: tensor(padded("q")),
      k: tensor(padded("k")),
      v: tensor(padded("v")),
      ...(masked ? { mask } : {}),
      ...(cached ? { seen: Tensor.int64([rows.length], this.#seen), state: this.#state } : {}),
    } as never);
    this.#state = state as unknown as LinearState<Tensor>;
    this.#seen = this.#seen.map((n, b) => n + counts[b]!);
    const features = output.shape[2]!;
    return counts.map((count, b) =>
      Array.from({ length: count }, (_, i) => {
        const start = (b * width + first[b]! + i) * features;
        return [...output.f32.subarray(start, start + features)];
      }),
    );
  }

  async release(): Promise<void> {
    for (const graph of this.#graphs.values()) await (await graph).release();
  }

  #graph(length: number, masked: boolean, cached: boolean): Promise<Graph> {
    const key = `${length} ${masked} ${cached}`;
    if (!this.#graphs.has(key)) this.#graphs.set(key, this.#compile(length, masked, cached));
    return this.#graphs.get(key)!;
  }

  #compile(length: number, masked: boolean, cached: boolean): Promise<Graph> {
    const batch = this.#batch;
    const { numHeads, numKeyValueHeads, headDim } = this.#shape;
    const inputs: GraphInputs = {
      q: f32(batch, length, numHeads * headDim),
      k: f32(batch, length, numKeyValueHeads * headDim),
      v: f32(batch, length, numKeyValueHeads * headDim),
      ...(masked ? { mask: { dtype: "bool", shape: [batch, length] } } : {}),
      ...(cached ? { seen: { dtype: "int64", shape: [batch] }, state: types(this.#zeros()) } : {}),
    };
    return compile(
      ({ q, k, v, mask, seen, state }) => {
        this.#cache.reset();
        if (state) this.#cache.update(3, state as unknown as LinearState);
        const past = seen && { seen, layers: [] };
        const context = new ForwardContext({ batch, length, mask, past });
        const output = this.#layer.forward({ q, k, v }, context);
        return { output, state: this.#cache.get(3) as unknown as Record<string, Value> };
      },
      { inputs, threads: 1 },
    );
  }

  #zeros(): LinearState<Tensor> {
    const shapes = Object.entries(this.#layer.stateShapes(this.#batch)) as [string, number[]][];
    return Object.fromEntries(
      shapes.map(([name, shape]) => [name, Tensor.zeros("f32", shape)]),
    ) as unknown as LinearState<Tensor>;
  }
}

interface GraphInputs {
  readonly q: TypeInfo;
  readonly k: TypeInfo;
  readonly v: TypeInfo;
  readonly mask?: TypeInfo;
  readonly seen?: TypeInfo;
  readonly state?: Record<string, TypeInfo>;
}
type Graph = Executable<GraphInputs, { output: Value; state: Record<string, Value> }>;
