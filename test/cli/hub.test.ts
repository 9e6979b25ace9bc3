import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { readFrontMatter } from "../../src/io/front-matter.js";
import { encodeSafetensors, openSafetensorsFile } from "../../src/io/safetensors.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { filesIn, openHub } from "../io/hub/use-hub.js";
import { openFixture } from "../models/fixture.js";
import { writeLlamaGguf } from "../models/gguf-fixture.js";
import { hubMetadata } from "../tptt/files/hub-metadata.js";
import { openWorkspace, problems, tptt } from "./workspace.js";

/** A hub with a tiny model and a data set, in the environment. */
async function openHubRun() {
  const workspace = await openWorkspace();
  const { hub, cache, useAsEnvironment } = await openHub();
  const model = await hub.add("model", "org/tiny", await filesIn(workspace.model));
  const dataset = await hub.add("dataset", "org/problems", {
    "train.jsonl": problems,
    "test.jsonl": problems.split("\n").slice(0, 3).join("\n"),
  });
  useAsEnvironment();
  return { ...workspace, hub, cache, commits: { model, dataset }, output: join(workspace.folder, "titan") };
}

test("a model and a data set of the hub are trained, resumed at their commits, and evaluated by split", async () => {
  const { hub, commits, output } = await openHubRun();
  const options = [
    "--model",
    "org/tiny",
    "--dataset",
    "org/problems",
    "--max-steps",
    "4",
    "--batch-size",
    "2",
  ];
  const run = ["train", ...options, "--output", output, "--logging-steps", "1"];
  const first = await tptt([...run, "--json"], (text, interrupt) => {
    if (text.includes('"progress","step":2')) interrupt();
  });
  expect(first.code).toBe(130);
  const downloads = first.events().filter(({ event }) => event === "transfer");
  expect(downloads.map(({ name }) => name)).toContain("download org/tiny");
  expect(downloads.every(({ bytes, total }) => Number(bytes) <= Number(total))).toBe(true);
  const yaml = await readFile(join(output, "train.yaml"), "utf8");
  expect(yaml).toMatch(`model: org/tiny@${commits.model}`);
  expect(yaml).toMatch(`- org/problems@${commits.dataset}`);

  // The branches move on; the run does not.
  await hub.store.commit("dataset", "org/problems", { "train.jsonl": problems.toUpperCase() });
  await hub.store.commit("model", "org/tiny", { "model.safetensors": undefined });
  const resumed = await tptt(["train", "--output", output, "--resume"]);
  expect(resumed).toMatchObject({ code: 0 });
  const config = JSON.parse(await readFile(join(output, "config.json"), "utf8"));
  expect(config).toMatchObject({ base_model_name: "org/tiny", base_model_revision: commits.model });
  expect(await readFile(join(output, "README.md"), "utf8")).toMatch(/org\/problems(?!@)/);

  const evaluate = ["eval", "--model", output, "--data", `org/problems@${commits.dataset}`, "--json"];
  const train = (await tptt(evaluate)).events().at(-1)!;
  const held = (await tptt([...evaluate, "--split", "test", "--out", output])).events().at(-1)!;
  expect(Number(held.tokens)).toBeLessThan(Number(train.tokens));
  expect(held.result).toMatchObject({ data: { hub_id: "org/problems", split: "test" } });

  // On the card the data set has the name that the hub knows, without the commit.
  expect(await tptt(["card", "--model", output])).toMatchObject({ code: 0 });
  const card = await readFile(join(output, "README.md"), "utf8");
  const header = hubMetadata.parse(readFrontMatter(card));
  expect(header["model-index"]?.[0]?.results[0]?.dataset).toEqual({
    type: "org/problems",
    name: "org/problems",
    split: "test",
  });
  expect(card).toContain("| perplexity | org/problems, test | ");
});

test("progress is on stderr in bytes, and a second call has nothing to download", async () => {
  const { hub } = await openHubRun();
  const command = ["generate", "--model", "org/tiny", "--prompt", "a", "--max-new-tokens", "2"];
  const first = await tptt(command);
  expect(first).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^download org\/tiny [\d.]+\/[\d.]+ kB\n/m),
  });
  hub.requests.length = 0;
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  expect(await tptt(command)).toMatchObject({
    code: 0,
    stdout: first.stdout,
    stderr: expect.not.stringContaining("download"),
  });
  expect(hub.requests).toEqual([]);
});

/** The tiny model with many more weights, in a file as in two shards, and as a GGUF file; none of them are read. */
async function openLargeModels() {
  const run = await openHubRun();
  const { hub, model } = run;
  const { "model.safetensors": _, ...beside } = await filesIn(model);
  const file = await openSafetensorsFile(join(model, "model.safetensors"));
  const tensors = new Map<string, Tensor>();
  for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
  await file.close();
  const more = new Tensor("f32", [3_000_000], new Float32Array(3_000_000));
  const bytes = (...entries: [string, Tensor][]) => Buffer.concat([...encodeSafetensors(new Map(entries))]);
  const [[name, tensor], ...others] = [...tensors] as [[string, Tensor], ...[string, Tensor][]];
  const shards = {
    "model-1-of-2.safetensors": bytes(...others),
    "model-2-of-2.safetensors": bytes([name, tensor], ["more", more]),
  };
  const weight_map = Object.fromEntries(others.map(([name]) => [name, "model-1-of-2.safetensors"]));
  const index = JSON.stringify({ weight_map: { ...weight_map, [name]: "model-2-of-2.safetensors" } });
  await hub.add("model", "org/one", { ...beside, "model.safetensors": bytes(...tensors, ["more", more]) });
  await hub.add("model", "org/shards", { ...beside, ...shards, "model.safetensors.index.json": index });
  const { checkpoint, frozen } = await openFixture("llama-gqa");
  const gguf = await readFile(await writeLlamaGguf(checkpoint.model, frozen));
  await frozen.dispose();
  await hub.add("model", "org/gguf", { "model.gguf": Buffer.concat([gguf, Buffer.alloc(12 * 2 ** 20)]) });
  /** The names of the files that were asked for, and the bytes that came. */
  const asked = () => ({
    files: hub.requests
      .flatMap(({ path }) => /^\/[^/]+\/[^/]+\/resolve\/[^/]+\/(.+)/.exec(path)?.[1] ?? [])
      .sort(),
    bytes: hub.requests.reduce((sum, { sent }) => sum + sent, 0),
  });
  return { ...run, asked };
}

test.each([
  ["org/one", ["config.json", "model.safetensors"], 160_000],
  [
    "org/shards",
    ["config.json", "model-1-of-2.safetensors", "model-2-of-2.safetensors", "model.safetensors.index.json"],
    300_000,
  ],
  ["org/gguf", ["model.gguf"], 8.1 * 2 ** 20],
])("inspect reads the headers of %s at the hub, and no tokenizer", async (name, files, most) => {
  const { hub, model, asked } = await openLargeModels();
  const told = async (name: string) => {
    const inspected = await tptt(["inspect", "--model", name, "--json"]);
    expect(inspected).toMatchObject({ code: 0, stderr: "" });
    const { model, base_model, stored, ...rest } = inspected.events().at(-1)!;
    return rest;
  };
  hub.requests.length = 0;
  const remote = await told(name);
  expect(asked()).toEqual({ files, bytes: expect.toSatisfy((bytes) => bytes < most) });
  expect(remote).toEqual(await told(model));
  expect(remote).toMatchObject({ kind: "base model", family: "llama" });
  if (name === "org/gguf") return;
  // What is in the cache is read there.
  const { code } = await tptt(["generate", "--model", name, "--prompt", "a", "--max-new-tokens", "1"]);
  expect(code).toBe(0);
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  hub.requests.length = 0;
  expect(await told(name)).toEqual(remote);
  expect(hub.requests).toEqual([]);
});

test("inspect of a titan of the hub reads its config, and the header of its base model", async () => {
  const { hub, output, asked } = await openLargeModels();
  const model = await TpttModel.fromPretrained("org/tiny", { loraConfig: { r: 3 } });
  await model.savePretrained(output);
  await model.dispose();
  const titan = await filesIn(output);
  const config = JSON.parse(String(titan["config.json"]));
  const base = { base_model_name: "org/one", base_model_revision: undefined };
  await hub.add("model", "org/titan", { ...titan, "config.json": JSON.stringify({ ...config, ...base }) });
  hub.requests.length = 0;
  const inspected = await tptt(["inspect", "--model", "org/titan", "--json"]);
  expect(inspected.events().at(-1)).toMatchObject({ kind: "saved titan", trainable: { lora_r: 3 } });
  expect(asked().files).toEqual(["README.md", "config.json", "config.json", "model.safetensors"]);
});

test.each([
  ["org/one", ["config.json", "tokenizer.json", "tokenizer_config.json"], 50_000],
  ["org/shards", ["config.json", "tokenizer.json", "tokenizer_config.json"], 50_000],
])("data reads config and tokenizer of %s, no weights", async (name, files, most) => {
  const { hub, model, write, asked } = await openLargeModels();
  const path = await write("data.jsonl", problems);
  hub.requests.length = 0;
  const shown = await tptt(["data", path, "--model", name]);
  expect(shown).toMatchObject({ code: 0, stdout: (await tptt(["data", path, "--model", model])).stdout });
  expect(asked()).toEqual({ files, bytes: expect.toSatisfy((bytes) => bytes < most) });
});

test("data shows conversations as a titan of the hub was trained on them", async () => {
  const { hub, output, write } = await openHubRun();
  const model = await TpttModel.fromPretrained("org/tiny", { loraConfig: { r: 2 } });
  model.tokenizer?.useChatTemplate(
    "{% for m in messages %}{% generation %}<{{ m.content }}>{% endgeneration %}{% endfor %}",
    "template",
  );
  await model.savePretrained(output);
  await model.dispose();
  await hub.add("model", "org/titan", await filesIn(output));
  const conversation = [
    { role: "user", content: "x" },
    { role: "assistant", content: "y" },
  ];
  const path = await write("talk.jsonl", JSON.stringify({ messages: conversation }));
  const shown = await tptt(["data", path, "--model", "org/titan"]);
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining("<y>") });
});

test("data shows what a data set of the hub would be", async () => {
  await openHubRun();
  const shown = await tptt(["data", "org/problems", "--model", "org/tiny", "--split", "test", "--json"]);
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.events().at(-1)).toMatchObject({ event: "done", records: 3 });
});

test.each([
  [
    ["--model", "org/none"],
    /^tptt: org\/none: is no file or folder here, and no model on http.*set HF_TOKEN/,
  ],
  [["--model", "org/tiny@v9"], /^tptt: org\/tiny@v9: has no revision v9; see http/],
  [["--model", "org/tiny/small"], /^tptt: org\/tiny: has no folder small\n$/],
])("%j is refused in one line", async (options, message) => {
  await openHubRun();
  expect(await tptt(["generate", "--prompt", "a", ...options])).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(message),
  });
});

test("nothing is left in the output folder when the data cannot be had", async () => {
  const { folder, output } = await openHubRun();
  const failed = await tptt(["train", "--model", "org/tiny", "--dataset", "org/none", "--output", output]);
  expect(failed).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/org\/none: is no file or folder here/),
  });
  expect(await readdir(folder)).not.toContain("titan");
});
