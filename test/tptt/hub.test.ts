import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readDataset } from "../../src/data/records.js";

import { openCheckpoint } from "../../src/models/checkpoint.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { filesIn, openHub } from "../io/hub/use-hub.js";
import { fixtureFolder, openFixture, temporaryFolder } from "../models/fixture.js";
import { writeLlamaGguf } from "../models/gguf-fixture.js";
import { rows } from "./titan.js";

const llama = fixtureFolder("llama-gqa");
const options = { operatorMode: "delta_rule", loraConfig: { r: 2 } } as const;
const inputs = { inputIds: rows([[5, 6, 7, 8]]) };

async function logitsOf(name: string, more = {}): Promise<Float32Array> {
  const model = await TpttModel.fromPretrained(name, more);
  const { logits } = await model.forward(inputs);
  await model.dispose();
  return logits.f32;
}

test("a model of the hub is opened by its name, and its titan remembers it at its commit", async () => {
  const { hub, useAsEnvironment } = await openHub();
  const commit = await hub.add("model", "org/llama", await filesIn(llama));
  useAsEnvironment();
  const transfers: number[] = [];
  const model = await TpttModel.fromPretrained("org/llama", {
    ...options,
    hubObserver: { transfer: ({ done }) => transfers.push(done) },
  });
  const expected = (await model.forward(inputs)).logits.f32;
  expect(transfers.length).toBeGreaterThan(0);
  expect(expected).toEqual(await logitsOf(llama, options));
  const titan = join(await temporaryFolder(), "titan");
  await model.savePretrained(titan);
  await model.saveMerged(join(titan, "merged"));
  await model.saveAdapter(join(titan, "adapter"));
  await model.dispose();

  const fields = JSON.parse(await readFile(join(titan, "config.json"), "utf8"));
  expect(fields).toMatchObject({ base_model_name: "org/llama", base_model_revision: commit });
  expect(await readFile(join(titan, "README.md"), "utf8")).toMatch(/^base_model: org\/llama$/m);
  const adapter = JSON.parse(await readFile(join(titan, "adapter/adapter_config.json"), "utf8"));
  expect(adapter).toMatchObject({ base_model_name_or_path: "org/llama", revision: commit });

  // The branch moves to another model; the titan's base is the one that it was trained on.
  const others = await filesIn(fixtureFolder("mistral"));
  await hub.store.commit("model", "org/llama", others);
  expect(await logitsOf(titan)).toEqual(expected);
  hub.requests.length = 0;
  expect(await logitsOf(join(titan, "adapter"), { operatorMode: "delta_rule" })).toEqual(expected);
  expect(hub.requests).toEqual([]);
});

test("a titan of the hub brings its base model, from a subfolder and a revision too", async () => {
  const { hub, useAsEnvironment } = await openHub();
  await hub.add("model", "org/bases", { ...(await filesIn(llama, "small/")), "README.md": "# Bases" });
  useAsEnvironment();
  const model = await TpttModel.fromPretrained("org/bases/small", options);
  const expected = (await model.forward(inputs)).logits.f32;
  const titan = await temporaryFolder();
  await model.savePretrained(titan);
  await model.dispose();
  const commit = await hub.add("model", "org/titan", await filesIn(titan));
  await hub.store.commit("model", "org/titan", { "config.json": "{}" });
  expect(await logitsOf(`org/titan@${commit}`)).toEqual(expected);

  const checkpoint = await openCheckpoint("org/bases@main/small");
  expect(checkpoint.path).toMatch(/snapshots\/[0-9a-f]{40}\/small$/);
  await checkpoint.close();
});

test("a GGUF file of the hub is a model", async () => {
  const { hub, useAsEnvironment } = await openHub();
  const file = "model.gguf";
  const { checkpoint: llamaFixture, frozen } = await openFixture("llama-gqa");
  const path = await writeLlamaGguf(llamaFixture.model, frozen);
  await frozen.dispose();
  await hub.add("model", "org/gguf", { [file]: await readFile(path), "README.md": "" });
  useAsEnvironment();
  for (const name of ["org/gguf", `org/gguf/${file}`]) {
    const checkpoint = await openCheckpoint(name);
    expect(checkpoint.path).toMatch(/snapshots\/[0-9a-f]{40}\/model.gguf$/);
    await checkpoint.close();
  }
});

test("a path that is there comes before the hub", async () => {
  const { hub, useAsEnvironment } = await openHub();
  useAsEnvironment();
  const checkpoint = await openCheckpoint("test/fixtures/models/llama-gqa");
  await checkpoint.close();
  expect(await readDataset("examples/data")).not.toEqual([]);
  expect(hub.requests).toEqual([]);
  await expect(openCheckpoint("test/fixtures")).rejects.toThrow(/config.json/);
  await expect(openCheckpoint("nowhere/model")).rejects.toThrow(
    /^nowhere\/model: is no file or folder here, and no model/,
  );
});

test("the rows of a data set of the hub are those of a split", async () => {
  const { hub, useAsEnvironment } = await openHub();
  const lines = (...texts: string[]) => texts.map((text) => JSON.stringify({ text })).join("\n");
  await hub.add("dataset", "org/texts", {
    "README.md": "# Texts",
    "data/train-00000-of-00002.jsonl": lines("a"),
    "data/train-00001-of-00002.jsonl": lines("b", "c"),
    "data/test.jsonl": lines("d"),
    "more/e.csv": "text\ne",
  });
  useAsEnvironment();
  const texts = async (name: string, more = {}) =>
    (await readDataset(name, more)).map((record) => ("text" in record ? record.text : undefined));
  expect(await texts("org/texts")).toEqual(["a", "b", "c"]);
  expect(await texts("org/texts", { split: "test" })).toEqual(["d"]);
  expect(await texts("org/texts/more")).toEqual(["e"]);
  expect(await texts("org/texts@main/data/test.jsonl")).toEqual(["d"]);
  await expect(texts("org/texts", { split: "dev" })).rejects.toThrow(/choose one of test, train/);
  await expect(texts("examples/data", { split: "test" })).rejects.toThrow(
    /^--split: is test, but examples\/data is a local/,
  );
  await expect(texts("org/none")).rejects.toThrow(/^org\/none: is no file or folder here, and no data set/);
  await expect(texts("org/texts/*")).rejects.toThrow(/no data file that can be read/);
});
