import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { add, compile, concat, split, Tensor, type Value } from "../../src/engine/index.js";
import { ForwardContext, type Past } from "../../src/nn/forward-context.js";
import { type Fixture, openFixture } from "../models/fixture.js";

const [batch, length] = [3, 14];
/** Padding on the left, on the right, and none. */
const mask = new Tensor(
  "bool",
  [batch, length],
  Uint8Array.from({ length: batch * length }, (_, i) => {
    const [row, t] = [Math.floor(i / length), i % length];
    return Number(row === 0 ? t >= 3 : row === 1 ? t < length - 4 : true);
  }),
);
const inputIds = Tensor.int64(
  [batch, length],
  Array.from({ length: batch * length }, (_, i) => (i * 37 + 11) % 96),
);

// Windows of 8 tokens beside global layers, GQA, and rotary tables by position.
describe.each(["gemma3", "llama-gqa"])("%s with a cache", (name) => {
  let fixture: Fixture;
  let full: Tensor;
  beforeAll(async () => {
    fixture = await openFixture(name);
    full = await hidden([length]);
  });
  afterAll(() => fixture.frozen.dispose());

  /** Hidden states of all tokens, computed in parts of these sizes, each with the keys of those before. */
  async function hidden(sizes: readonly number[]): Promise<Tensor> {
    const { checkpoint, frozen } = fixture;
    const forward = ({ inputIds, mask }: { inputIds: Value; mask: Value }) => {
      const ids = split(inputIds, 1, sizes);
      const masks = split(mask, 1, sizes);
      let past: Past | undefined;
      const parts = sizes.map((size, i) => {
        const context = new ForwardContext({ batch, length: size, mask: masks[i]!, past });
        const states = checkpoint.model.forward(ids[i]!, context);
        past = next(past, context);
        return states;
      });
      return { states: concat(parts, 1) };
    };
    const types = {
      inputIds: { dtype: "int64", shape: [batch, length] },
      mask: { dtype: "bool", shape: [batch, length] },
    } as const;
    const run = await compile(forward, { inputs: types, frozen, threads: 1 });
    const { states } = await run.run({ inputIds, mask });
    await run.release();
    return states;
  }

  test.each(Array.from({ length: length - 1 }, (_, i) => i + 1))(
    "a split after %i tokens changes no real token",
    async (size) => {
      expect(real(await hidden([size, length - size]))).toBeCloseToTensor(real(full), {
        atol: 2e-5,
        rtol: 1e-4,
      });
    },
  );

  test("token by token changes no real token", async () => {
    expect(real(await hidden(Array<number>(length).fill(1)))).toBeCloseToTensor(real(full), {
      atol: 2e-5,
      rtol: 1e-4,
    });
  });

  test("what stands in padding is seen by nobody", async () => {
    const before = real(full);
    const other = inputIds.data.map((id, i) => (mask.data[i] ? id : 95n - (id as bigint)) as never);
    const [kept, data] = [inputIds.data.slice(), inputIds.data as BigInt64Array];
    data.set(other as BigInt64Array);
    expect(real(await hidden([length]))).toEqual(before);
    data.set(kept as BigInt64Array);
  });
});

/** A cache that keeps everything. */
function next(past: Past | undefined, context: ForwardContext): Past {
  const seen = past ? add(past.seen, context.count) : context.count;
  const layers = context.written.map(({ key, value }, i) => {
    const before = past?.layers[i];
    const join = (old: Value | undefined, fresh: Value, axis: number) =>
      old ? concat([old, fresh], axis) : fresh;
    return {
      key: join(before?.key, key, 2),
      value: join(before?.value, value, 2),
      positions: join(before?.positions, context.positions!, 1),
    };
  });
  return { seen, layers };
}

/** The states of real tokens. */
function real(states: Tensor): number[] {
  const width = states.shape.at(-1)!;
  return [...mask.data].flatMap((x, i) => (x ? [...states.f32.subarray(i * width, (i + 1) * width)] : []));
}
