import { execFile } from "node:child_process";
import { cp, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Tensor } from "../../../src/engine/index.js";
import { InputError } from "../../../src/errors.js";
import { openSafetensorsFile, writeSafetensors } from "../../../src/io/safetensors.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../../models/fixture.js";
import { openTitan, randomIds, randomizeParams } from "../titan.js";

const script = fileURLToPath(new URL("decode-on.ts", import.meta.url));

test("a process of its own gives the same logits after a file, at several positions", async () => {
  const kinds: FromPretrainedOptions[] = [
    { operatorMode: "delta_rule", magWeight: 0.5 },
    { operatorMode: "gated_delta_product", magWeight: 1 },
    { operatorMode: "delta_rule", magWeight: 0.5, maxSelfAttnLength: 5 },
  ];
  const folder = await temporaryFolder();
  const expected: number[][] = [];
  const saved: { model: string; path: string; next: number }[] = [];
  for (const [i, options] of kinds.entries()) {
    const model = await openTitan("llama-gqa", { loraConfig: { r: 2 }, ...options });
    randomizeParams(model, i);
    const titan = join(folder, `titan-${i}`);
    await model.savePretrained(titan);
    for (const position of [1, 7, 100]) {
      const decoder = model.decoder();
      await decoder.read([randomIds(position)]);
      const path = join(folder, `${i}-${position}.safetensors`);
      await model.saveDecoder(path, decoder);
      saved.push({ model: titan, path, next: position % 90 });
      expected.push([...(await decoder.read([[position % 90]]))[0]!]);
    }
  }
  const args = ["--conditions=source", "--import", "tsx", script, JSON.stringify(saved)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual(expected);
});

const options: FromPretrainedOptions = {
  operatorMode: "delta_rule",
  loraConfig: { r: 2 },
  maxSelfAttnLength: 5,
};

/** A model, and a file that a decoder of it was saved to, with a remark beside it. */
async function saved() {
  const model = await openTitan("llama-gqa", options);
  randomizeParams(model);
  const decoder = model.decoder();
  await decoder.read([randomIds(9)]);
  const folder = await temporaryFolder();
  const path = join(folder, "state.safetensors");
  await model.saveDecoder(path, decoder, { remark: "nine tokens" });
  return { model, decoder, folder, path };
}

test("what is put beside a state comes back, rows of different lengths too, and nothing else is left in the folder", async () => {
  const { model, folder, path } = await saved();
  const { decoder, metadata } = await model.loadDecoder(path);
  expect(metadata).toEqual({ remark: "nine tokens" });
  expect(decoder.seen).toEqual([9]);
  const rows = model.decoder(2);
  await rows.read([randomIds(3), randomIds(8)]);
  await model.saveDecoder(path, rows);
  const again = await model.loadDecoder(path);
  expect(again.decoder.seen).toEqual([3, 8]);
  expect(again.metadata).toEqual({});
  expect(await again.decoder.read([[1], [2]])).toEqual(await rows.read([[1], [2]]));
  expect(await readdir(folder)).toEqual(["state.safetensors"]);
});

describe("a state of another model is refused:", () => {
  const open = async (name: string, changes: FromPretrainedOptions = {}, seed = 0): Promise<TpttModel> => {
    const model = await openTitan(name, { ...options, ...changes });
    randomizeParams(model, seed);
    return model;
  };

  test("the same one, opened again, is not", async () => {
    const { decoder, path } = await saved();
    const again = await (await open("llama-gqa")).loadDecoder(path);
    expect(await again.decoder.read([[3]])).toEqual(await decoder.read([[3]]));
  });

  test.each([
    ["other trained weights", () => open("llama-gqa", {}, 1), "trained_weights"],
    ["another operator", () => open("llama-gqa", { operatorMode: "delta_rule_v" }), "config"],
    ["another window", () => open("llama-gqa", { maxSelfAttnLength: 6 }), "config"],
    ["another scale of LoRA", () => open("llama-gqa", { loraConfig: { r: 2, loraAlpha: 7 } }), "config"],
    ["another base model", () => open("llama-mha"), "base_config"],
    ["rounded weights", () => open("llama-gqa", { quantize: "int8" }), "base_weights"],
  ] as [string, () => Promise<TpttModel>, string][])("%s", async (_, opened, part) => {
    const { path } = await saved();
    const loading = (await opened()).loadDecoder(path);
    await expect(loading).rejects.toThrow(InputError);
    await expect(loading).rejects.toThrow(
      new RegExp(
        `state.safetensors: ${part}: is [0-9a-f]{12}, this model's is [0-9a-f]{12}: .*; open it with`,
      ),
    );
  });

  test("a base model whose weights differ in one number", async () => {
    const { path } = await saved();
    const folder = join(await temporaryFolder(), "base");
    await cp(fixtureFolder("llama-gqa"), folder, { recursive: true });
    const weights = join(folder, "model.safetensors");
    const bytes = await readFile(weights);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(weights, bytes);
    const model = await TpttModel.fromPretrained(folder, options);
    onTestFinished(() => model.dispose());
    randomizeParams(model);
    await expect(model.loadDecoder(path)).rejects.toThrow("state.safetensors: base_weights: is");
  });

  test("another mu, of which the message says both", async () => {
    const { model, path } = await saved();
    model.magWeight = 0.25;
    await expect(model.loadDecoder(path)).rejects.toThrow(
      "state.safetensors: mag_weights: is [0.5,0.5], this model's is [0.25,0.25]: the state is another model's; set mag_weight",
    );
    model.magWeight = 1;
    await expect(model.loadDecoder(path)).rejects.toThrow("mag_weights: is [0.5,0.5], this model's is only");
  });

  test("a decoder's own mu counts, not what its model has when it is saved", async () => {
    const { model, decoder, path } = await saved();
    model.magWeight = 0.25;
    await model.saveDecoder(path, decoder);
    await expect(model.loadDecoder(path)).rejects.toThrow("mag_weights: is [0.5,0.5]");
  });
});

describe("a damaged file is refused:", () => {
  test("torn at any place", async () => {
    const { model, path } = await saved();
    const { length } = await readFile(path);
    for (const size of [length - 1, length - 4096, 1200, 500, 8, 3, 0]) {
      await truncate(path, size);
      await expect(model.loadDecoder(path), `${size} bytes`).rejects.toThrow(InputError);
    }
  });

  test("with one bit turned, wherever it is", async () => {
    const { model, path } = await saved();
    const bytes = await readFile(path);
    for (let i = 0; i < 60; i++) {
      const at = Math.floor((i * (bytes.length - 1)) / 59);
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= 1 << (i % 7);
      await writeFile(path, damaged);
      await expect(model.loadDecoder(path), `byte ${at}`).rejects.toThrow(InputError);
    }
  });

  test.each([
    ["no state at all", { format: "pt" }, "format: is pt, expected tptt-decoder"],
    ["of a later version", { format_version: "2" }, "format_version: is 2, this version of tptt reads 1"],
    ["without a fingerprint", { fingerprint: undefined }, "__metadata__: fingerprint: is missing"],
    ["whose fingerprint is none", { fingerprint: "{" }, "fingerprint: is not valid JSON"],
    ["of a length that is none", { seen: "[1.5]" }, "seen: 0: is 1.5"],
    ["of more rows than are believed", { seen: `[${Array(65).fill(0)}]` }, "seen: is [0,0,"],
    ["of another length than its tensors", { seen: "[3]" }, "is not what was written: its digest differs"],
  ])("%s", async (_, changes, problem) => {
    const { model, path } = await saved();
    const file = await openSafetensorsFile(path);
    const tensors = new Map<string, Tensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    const fields = Object.entries({ ...Object.fromEntries(file.metadata), ...changes });
    await file.close();
    const metadata = Object.fromEntries(fields.filter(([, value]) => value !== undefined));
    await writeSafetensors(path, tensors, metadata as Record<string, string>);
    const loading = model.loadDecoder(path);
    await expect(loading).rejects.toThrow(InputError);
    await expect(loading).rejects.toThrow(problem);
  });
});
