import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Tensor } from "../../src/engine/tensor.js";
import { memorySource } from "../../src/io/byte-source.js";
import { encodeSafetensors, writeSafetensors } from "../../src/io/safetensors.js";
import { openGguf, openSafetensors } from "../../src/io/weight-source.js";
import { ggufBytes } from "./gguf-bytes.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tptt-"));
});
afterEach(() => rm(folder, { recursive: true }));

const tensors = new Map([
  ["full", Tensor.f32([2], [1, 2])],
  ["half", new Tensor("f16", [2], Uint16Array.of(0x3c00, 0xc000))],
  ["brain", new Tensor("bf16", [1], Uint16Array.of(0x3f80))],
  ["double", new Tensor("f64", [1], Float64Array.of(0.5))],
  ["ids", Tensor.int64([2], [3, -4])],
]);

describe("safetensors weights", () => {
  test("come as f32 when they are numbers, as they are when they are not, under the file's names", async () => {
    const path = join(folder, "adapter_model.safetensors");
    await writeSafetensors(path, tensors);
    const source = await openSafetensors(path);
    expect(source.name).toBe(path);
    expect(source.tensors.get("half")).toMatchObject({ dtype: "F16", shape: [2] });
    expect((await source.read("full")).f32).toEqual(Float32Array.of(1, 2));
    expect((await source.read("half")).f32).toEqual(Float32Array.of(1, -2));
    expect((await source.read("brain")).f32).toEqual(Float32Array.of(1));
    expect((await source.read("double")).f32).toEqual(Float32Array.of(0.5));
    expect((await source.read("ids")).data).toEqual(BigInt64Array.of(3n, -4n));
    await source.close();
  });

  test("are found in a folder, and in memory", async () => {
    await writeSafetensors(join(folder, "model.safetensors"), tensors);
    const inFolder = await openSafetensors(folder);
    const bytes = Buffer.concat([...encodeSafetensors(tensors)]);
    const inMemory = await openSafetensors(memorySource("bytes", bytes));
    for (const source of [inFolder, inMemory]) {
      expect([...source.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
      await source.close();
    }
  });

  test("that are not there are named, with those that are", async () => {
    const source = await openSafetensors("test/fixtures/models/llama-mha");
    await expect(source.read("lm_head")).rejects.toThrow(
      /llama-mha\/model.safetensors: tensor lm_head: is missing; the file holds 21 tensors: .*, \.\.\./,
    );
    await source.close();
  });
});

describe("sharded weights", () => {
  const writeShards = async (weightMap: Record<string, unknown>) => {
    await writeSafetensors(join(folder, "model-1-of-2.safetensors"), new Map([["a", Tensor.f32([1], [1])]]));
    await writeSafetensors(join(folder, "model-2-of-2.safetensors"), new Map([["b", Tensor.f32([1], [2])]]));
    const index = { metadata: { total_size: 8 }, weight_map: weightMap };
    await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
  };

  test("are read each from its file", async () => {
    await writeShards({ a: "model-1-of-2.safetensors", b: "model-2-of-2.safetensors" });
    const source = await openSafetensors(folder);
    expect(source.name).toBe(folder);
    expect([...source.tensors.keys()]).toEqual(["a", "b"]);
    expect((await source.read("a")).item()).toBe(1);
    expect((await source.read("b")).item()).toBe(2);
    await expect(source.read("c")).rejects.toThrow(
      `${folder}: tensor c: is missing; the file holds 2 tensors: a, b`,
    );
    await source.close();
  });

  test("may be called __proto__, and are refused as others are", async () => {
    const shard = new Map([["__proto__", Tensor.f32([1], [3])]]);
    await writeSafetensors(join(folder, "model-1-of-1.safetensors"), shard);
    const index = (name: string) =>
      writeFile(
        join(folder, "model.safetensors.index.json"),
        `{"weight_map": {"__proto__": ${JSON.stringify(name)}}}`,
      );
    await index("model-1-of-1.safetensors");
    const source = await openSafetensors(folder);
    expect((await source.read("__proto__")).item()).toBe(3);
    await source.close();
    await index("../x.safetensors");
    await expect(openSafetensors(folder)).rejects.toThrow('weight_map.__proto__: is "../x.safetensors"; ');
  });

  test("whose index lists a tensor that the shard does not hold are refused", async () => {
    await writeShards({ a: "model-2-of-2.safetensors" });
    await expect(openSafetensors(folder)).rejects.toThrow("model-2-of-2.safetensors: tensor a: is missing");
  });

  test("with a shard that is not there are refused", async () => {
    await writeShards({ a: "model-1-of-2.safetensors", b: "model-3-of-2.safetensors" });
    await expect(openSafetensors(folder)).rejects.toThrow("model-3-of-2.safetensors: does not exist");
  });

  test.each([
    "../model.safetensors",
    "..\\model.safetensors",
    "/etc/model.safetensors",
    "sub/model.safetensors",
    "C:model.safetensors",
    "..",
    ".hidden.safetensors",
    "model.bin",
    "model\0.safetensors",
    7,
  ])("never leave the folder: %j is refused", async (shard) => {
    await writeShards({ a: shard });
    await expect(openSafetensors(folder)).rejects.toThrow(
      `${folder}/model.safetensors.index.json: weight_map.a: is ${JSON.stringify(shard)}; `,
    );
  });

  test("without a map are refused", async () => {
    await writeFile(join(folder, "model.safetensors.index.json"), "{}");
    await expect(openSafetensors(folder)).rejects.toThrow("index.json: weight_map: is missing");
  });
});

describe("GGUF weights", () => {
  test("come as f32 in the order of PyTorch, with the header", async () => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    const bytes = ggufBytes(
      { "general.name": ["string", "x"] },
      { w: { shape: [2, 3], dtype: "F32", data } },
    );
    const source = await openGguf(memorySource("m.gguf", bytes));
    expect(source.header.metadata.get("general.name")).toBe("x");
    expect(source.tensors.get("w")).toMatchObject({ dtype: "F32", shape: [2, 3] });
    const tensor = await source.read("w");
    expect([tensor.shape, tensor.f32]).toEqual([[2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)]);
    await expect(source.read("v")).rejects.toThrow(
      "m.gguf: tensor v: is missing; the file holds 1 tensors: w",
    );
    await source.close();
  });

  test("of experts that are stacked come one by one", async () => {
    // Two experts of one row: a scale of 1 and 0.5, then 32 signed bytes.
    const row = (scale: number[], value: number) => [...scale, ...Array<number>(32).fill(value)];
    const data = Uint8Array.from([...row([0x00, 0x3c], 3), ...row([0x00, 0x38], 8)]);
    const bytes = ggufBytes(
      {},
      {
        "blk.0.ffn_up_exps.weight": { shape: [2, 1, 32], dtype: "Q8_0", data },
        "w_exps.weight": { shape: [2, 32], dtype: "Q8_0", data },
      },
    );
    const source = await openGguf(memorySource("m.gguf", bytes));
    expect([...source.tensors.keys()]).toEqual([
      "blk.0.ffn_up.0.weight",
      "blk.0.ffn_up.1.weight",
      "w_exps.weight",
    ]);
    for (const [expert, value] of [3, 4].entries()) {
      const name = `blk.0.ffn_up.${expert}.weight`;
      expect(source.tensors.get(name)).toMatchObject({ shape: [1, 32], byteLength: 34 });
      const { shape, f32 } = await source.read(name);
      expect([shape, f32]).toEqual([[1, 32], new Float32Array(32).fill(value)]);
    }
    await source.close();
  });

  test("of a model in several files are refused", async () => {
    const bytes = ggufBytes({ "split.count": ["u16", 3] });
    await expect(openGguf(memorySource("m.gguf", bytes))).rejects.toThrow(
      "m.gguf: split.count: is 3, expected 1 file",
    );
  });

  test("of a corrupt file close it", async () => {
    let closed = 0;
    const source = { ...memorySource("m.gguf", new Uint8Array(3)), close: async () => void closed++ };
    await expect(openGguf(source)).rejects.toThrow("m.gguf: magic");
    await expect(openSafetensors(source)).rejects.toThrow("m.gguf: the header's length");
    expect(closed).toBe(2);
  });
});
