import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Parameter, Tensor } from "../../../src/engine/index.js";
import { openSafetensorsFile, writeSafetensors } from "../../../src/io/safetensors.js";
import {
  loadTpttSafetensors,
  saveTpttSafetensors,
  trainedNames,
} from "../../../src/tptt/files/adapter-file.js";
import { temporaryFolder } from "../../models/fixture.js";

const layer = "model.layers.0.self_attn";
const a = `${layer}.base_attn.q_proj.lora_A.weight`;
const b = `${layer}.base_attn.q_proj.lora_B.weight`;
const tensors: Record<string, Tensor> = {
  [a]: Tensor.f32([2, 3], [1, 2, 3, 4, 5, 6]),
  [b]: Tensor.f32([3, 2], [7, 8, 9, 10, 11, 12]),
};

const parameters = (names: Record<string, Tensor>) =>
  Object.entries(names).map(([name, { shape }]) => {
    const parameter = new Parameter("f32", shape);
    parameter.name = name;
    return parameter;
  });

async function namesIn(path: string): Promise<string[]> {
  const file = await openSafetensorsFile(path);
  const names = [...file.tensors.keys()].sort();
  await file.close();
  return names;
}

const newPath = async () => join(await temporaryFolder(), "adapter_model.safetensors");

async function written(content: Record<string, Tensor>): Promise<string> {
  const path = await newPath();
  await writeSafetensors(path, new Map(Object.entries(content)));
  return path;
}

describe("saved", () => {
  test("an adapter has the names that Python gives it, without tptt_model and base_model", async () => {
    const path = await newPath();
    await saveTpttSafetensors(new Map(Object.entries(tensors)), path);
    // Python's own: tptt_model.base_model.model.model.layers.0.self_attn.base_attn.q_proj.lora_A.default.weight
    expect(await namesIn(path)).toEqual([
      `model.${layer}.base_attn.q_proj.lora_A.default.weight`,
      `model.${layer}.base_attn.q_proj.lora_B.default.weight`,
    ]);
  });

  test("without LoRA the base model's parameters have their own", async () => {
    const path = await newPath();
    const name = `${layer}.base_attn.q_proj.weight`;
    await saveTpttSafetensors(new Map([[name, Tensor.zeros("f32", [3, 3])]]), path);
    expect(await namesIn(path)).toEqual([name]);
  });
});

describe("loaded", () => {
  test.each([
    ["as Python saves it", `model.${layer}.base_attn.q_proj.lora_A.default.weight`],
    [
      "with all of Python's wrappers",
      `tptt_model.base_model.model.${layer}.base_attn.q_proj.lora_A.default.weight`,
    ],
    ["without .default", `base_model.model.${layer}.base_attn.q_proj.lora_A.weight`],
    ["without .base_attn", `model.${layer}.q_proj.lora_A.default.weight`],
    ["as PEFT alone saves it", `base_model.model.${layer}.q_proj.lora_A.weight`],
    ["under its own name", a],
  ])("an adapter fits %s", async (_, name) => {
    const path = await written({ [name]: tensors[a]!, [name.replace("lora_A", "lora_B")]: tensors[b]! });
    const loaded = await loadTpttSafetensors(path, parameters(tensors));
    expect([...loaded.keys()]).toEqual([a, b]);
    for (const [key, tensor] of loaded) expect(tensor.f32).toEqual(tensors[key]!.f32);
  });

  test.each([
    ["missing", { [a]: tensors[a]! }, `: tensor ${b}: is missing; the file belongs to another configuration`],
    [
      "unknown",
      { ...tensors, other: tensors[a]! },
      ": tensor other: is not a trained weight of this configuration",
    ],
    [
      "of another shape",
      { ...tensors, [a]: Tensor.zeros("f32", [4, 3]) },
      `: tensor ${a}: is [4,3], the configuration asks for [2,3]; check lora_config`,
    ],
  ])("a tensor that is %s is named", async (_, content, message) => {
    const path = await written(content);
    await expect(loadTpttSafetensors(path, parameters(tensors))).rejects.toThrow(path + message);
  });

  test("a missing file is named", async () => {
    await expect(loadTpttSafetensors("/nowhere/a.safetensors", parameters(tensors))).rejects.toThrow(
      "/nowhere/a.safetensors: does not exist",
    );
  });
});

test("modules that are trained whole beside LoRA have the names of PEFT's wrappers", async () => {
  const path = await newPath();
  const names = ["lm_head.weight", `model.layers.1.mlp.up_proj.weight`, `${layer}.base_attn.o_proj.weight`];
  const saved = new Map(names.map((name) => [name, Tensor.zeros("f32", [1])]));
  await saveTpttSafetensors(new Map([...Object.entries(tensors), ...saved]), path, [
    "head",
    "mlp",
    "self_attn.o_proj",
  ]);
  // Python's own: tptt_model.base_model.model.lm_head.modules_to_save.default.weight
  const inFile = await namesIn(path);
  expect(inFile.filter((name) => !name.includes("lora"))).toEqual([
    "model.lm_head.modules_to_save.default.weight",
    `model.${layer}.base_attn.o_proj.modules_to_save.default.weight`,
    "model.model.layers.1.mlp.modules_to_save.default.up_proj.weight",
  ]);
  const wanted = { ...tensors, ...Object.fromEntries(saved) };
  expect([...(await loadTpttSafetensors(path, parameters(wanted))).keys()]).toEqual(Object.keys(wanted));
});

test("a file tells which of the base model's parameters were trained, and which layers have an update", async () => {
  const q = `${layer}.base_attn.q_proj.weight`;
  const head = "lm_head.weight";
  const one = Tensor.zeros("f32", [1]);
  expect(await trainedNames(await written({ [q]: one, [head]: one }))).toEqual({
    parameters: [head, `${layer}.q_proj.weight`],
    updated: [],
  });
  expect(await trainedNames(await written({ [`model.${a}`]: one, [`model.${head}`]: one }))).toEqual({
    parameters: [head],
    updated: [`${layer}.q_proj`],
  });
  expect(await trainedNames("/nowhere/a.safetensors")).toEqual({ parameters: [], updated: [] });
});

test("integers are no trained weights", async () => {
  const path = await written({ [a]: new Tensor("int32", [2, 3], new Int32Array(6)) });
  await expect(loadTpttSafetensors(path, parameters({ [a]: tensors[a]! }))).rejects.toThrow(
    `${path}: tensor ${a}: is int32, expected floating point; save it as F32`,
  );
});
