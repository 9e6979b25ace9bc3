import { execFileSync } from "node:child_process";
import { cp, link, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { readComparedRuns } from "../../src/cli/comparison.js";
import { readRuns } from "../../src/cli/run-metrics.js";
import { checkManifest, writeManifest } from "../../src/io/manifest.js";
import { pathInside } from "../../src/io/model-folder.js";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import { readSavedConfig } from "../../src/tptt/files/open-titan.js";
import { rewriteModelCard } from "../../src/tptt/files/rewrite-card.js";
import { readRunRecord } from "../../src/tptt/files/run-record.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";

let root: string;
let model: string;
beforeEach(async () => {
  root = await temporaryFolder();
  model = join(root, "model");
  await cp(fixtureFolder("llama-gqa"), model, { recursive: true });
  await cp("test/fixtures/tokenizers/llama", model, { recursive: true });
});

const open = async (folder: string) => {
  const checkpoint = await openCheckpoint(folder);
  await checkpoint.tokenizer().finally(() => checkpoint.close());
};

describe("a name in a model folder", () => {
  test.each(["../x", "a/../../x", "/etc/passwd", "C:\\x", "C:x", "a\\..\\x", "x\0", ".."])(
    "that leads out of it is refused: %j",
    async (name) => {
      await expect(pathInside(model, name)).rejects.toThrow("leads out of its folder; name a file in it");
    },
  );

  test.each(["config.json", "not there", "a/b.json", ".hidden", "x..y"])(
    "in it is its path: %j",
    async (name) => {
      expect(await pathInside(model, name)).toBe(`${model}/${name}`);
    },
  );
});

describe("a link", () => {
  const names = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
  test.each([...names, "chat_template.jinja", "model.safetensors", "model.safetensors.index.json"])(
    "for %s that leads out of the folder is refused, and what it leads to is not read",
    async (name) => {
      const secret = join(root, "secret");
      await writeFile(secret, "hunter2");
      await rm(join(model, name), { force: true });
      await symlink(secret, join(model, name));
      const error: Error = await open(model).catch((error) => error);
      expect(error.message).toBe(
        `${model}/${name}: is a link that leads out of ${model} to ${secret}; put the file itself there, or name the folder that it is in`,
      );
    },
  );

  test("of the name of a shard is refused as well, and so are paths", async () => {
    await rename(join(model, "model.safetensors"), join(root, "elsewhere.safetensors"));
    const index = (name: string) =>
      writeFile(
        join(model, "model.safetensors.index.json"),
        JSON.stringify({ weight_map: { "model.norm.weight": name } }),
      );
    for (const name of ["../elsewhere.safetensors", join(root, "elsewhere.safetensors"), "a/b.safetensors"]) {
      await index(name);
      await expect(open(model)).rejects.toThrow("weight_map.model.norm.weight: is");
    }
    await symlink("../elsewhere.safetensors", join(model, "shard.safetensors"));
    await index("shard.safetensors");
    await expect(open(model)).rejects.toThrow("shard.safetensors: is a link that leads out of");
  });

  test("through a folder, or through another link, is followed to its end", async () => {
    await mkdir(join(root, "outside"));
    await rename(join(model, "config.json"), join(root, "outside", "config.json"));
    await symlink(join(root, "outside"), join(model, "sub"));
    await symlink("sub/config.json", join(model, "config.json"));
    await expect(open(model)).rejects.toThrow("config.json: is a link that leads out of");
  });

  test("inside of the folder is followed, and the folder itself may be one", async () => {
    await rename(join(model, "config.json"), join(model, "other.json"));
    await symlink("other.json", join(model, "config.json"));
    await symlink(model, join(root, "linked"));
    await open(model);
    await open(join(root, "linked"));
  });

  test("to itself or to nothing is told", async () => {
    await rm(join(model, "config.json"));
    await symlink("config.json", join(model, "config.json"));
    await expect(open(model)).rejects.toThrow("is not a path that can be followed (ELOOP)");
    await rm(join(model, "config.json"));
    await symlink("nowhere.json", join(model, "config.json"));
    await expect(open(model)).rejects.toThrow("config.json: does not exist");
  });

  test("a neighbour whose name begins alike is outside", async () => {
    await mkdir(`${model}-secrets`);
    await rename(join(model, "config.json"), join(`${model}-secrets`, "config.json"));
    await symlink(join(`${model}-secrets`, "config.json"), join(model, "config.json"));
    await expect(open(model)).rejects.toThrow("is a link that leads out of");
  });
});

describe("the hub's cache", () => {
  /** Moves the files of a folder into a cache, as links to blobs. */
  async function cached(repository: string, inside = ""): Promise<string> {
    const snapshot = join(root, "hub", repository, "snapshots", "0123abc");
    await mkdir(join(snapshot, inside), { recursive: true });
    await mkdir(join(root, "hub", repository, "blobs"));
    const up = inside === "" ? "../.." : "../../..";
    for (const [i, name] of (await readdir(model)).entries()) {
      await rename(join(model, name), join(root, "hub", repository, "blobs", `sha${i}`));
      await symlink(`${up}/blobs/sha${i}`, join(snapshot, inside, name));
    }
    return join(snapshot, inside);
  }

  test("is made of links to blobs, which are followed", async () => {
    await open(await cached("models--org--name"));
  });

  test("so are those of a folder in a snapshot, by whatever link it is reached", async () => {
    const snapshot = await cached("models--org--name", "sub");
    await open(snapshot);
    await symlink(snapshot, join(root, "linked"));
    await open(join(root, "linked"));
  });

  test("but not links to the blobs of another model, nor out of the cache", async () => {
    const snapshot = await cached("models--org--name");
    for (const target of ["models--org--other/blobs", "models--org--name/refs", ".."]) {
      const outside = join(root, "hub", target);
      await mkdir(outside, { recursive: true });
      await writeFile(join(outside, "x"), "{}");
      await rm(join(snapshot, "config.json"));
      await symlink(join(outside, "x"), join(snapshot, "config.json"));
      await expect(open(snapshot), target).rejects.toThrow("config.json: is a link that leads out of");
    }
  });

  test("blobs that are themselves a link elsewhere are not its own", async () => {
    const snapshot = await cached("models--org--name");
    await rename(join(root, "hub/models--org--name/blobs"), join(root, "files"));
    await symlink(join(root, "files"), join(root, "hub/models--org--name/blobs"));
    await expect(open(snapshot)).rejects.toThrow("is a link that leads out of");
  });
});

describe("a titan or an adapter", () => {
  const secret = () => join(root, "secret");
  beforeEach(() => writeFile(secret(), "{}"));

  test.each([
    ["lora", "config.json"],
    ["lora", "adapter_model.safetensors"],
    ["lora", "modeling_tptt.py"],
    ["peft-layers", "adapter_config.json"],
    ["peft-layers", "adapter_model.safetensors"],
  ])("%s whose %s is a link elsewhere is refused", async (titan, name) => {
    const folder = join(root, "titans", "titan");
    await cp(model, join(root, "models", "llama-gqa"), { recursive: true });
    await cp(`test/fixtures/titans/${titan}`, folder, { recursive: true });
    await rm(join(folder, name), { force: true });
    await symlink(secret(), join(folder, name));
    await expect(TpttModel.fromPretrained(folder)).rejects.toThrow(
      `${name}: is a link that leads out of ${folder}`,
    );
  });

  test("saved over links replaces them: what they lead to stays as it is, hard links too", async () => {
    const titan = await TpttModel.fromPretrained(model, { loraConfig: { r: 2 } });
    const folder = join(root, "titan");
    await mkdir(folder);
    const names = ["config.json", "adapter_model.safetensors", "tokenizer.json", "README.md"];
    for (const name of names) {
      await writeFile(join(root, name), "mine");
      if (name === "README.md") await link(join(root, name), join(folder, name));
      else await symlink(join(root, name), join(folder, name));
    }
    await titan.savePretrained(folder);
    await titan.dispose();
    for (const name of names) expect(await readFile(join(root, name), "utf8"), name).toBe("mine");
    expect(await readSavedConfig(folder)).toMatchObject({ baseModelName: model });
  });
});

describe("what a folder tells of its run", () => {
  const comparing = (folder: string) => readComparedRuns([folder]);
  test.each<[name: string, reader: string, read: (folder: string) => Promise<unknown>]>([
    ["metrics.jsonl", "a card", readRunRecord],
    ["train_results.json", "a card", readRunRecord],
    ["eval-recall.json", "a card", readRunRecord],
    ["config.json", "a new card", (folder) => rewriteModelCard(folder)],
    ["README.md", "a new card", (folder) => rewriteModelCard(folder)],
    ["metrics.jsonl", "a plot", (folder) => readRuns([folder])],
    ["config.json", "a comparison", comparing],
    ["adapter_model.safetensors", "a comparison", comparing],
    ["train.yaml", "a comparison", comparing],
    ["tokenizer_config.json", "a titan's tokenizer", useTemplate],
    ["chat_template.jinja", "a titan's tokenizer", useTemplate],
  ])("in %s is not read by %s through a link elsewhere", async (name, _, read) => {
    const folder = join(root, "run");
    await mkdir(folder);
    await writeFile(join(folder, "config.json"), '{"model_type": "tptt"}');
    await writeFile(join(folder, "metrics.jsonl"), '{"step":1,"loss":2}\n');
    const target = join(root, "elsewhere");
    await writeFile(target, "{}");
    await rm(join(folder, name), { force: true });
    await symlink(target, join(folder, name));
    await expect(read(folder)).rejects.toThrow(`${name}: is a link that leads out of ${folder} to ${target}`);
  });

  async function useTemplate(folder: string): Promise<void> {
    const tokenizer = await Tokenizer.fromFolder("test/fixtures/tokenizers/llama");
    await tokenizer.useChatTemplateOf(folder);
  }
});

describe("a manifest", () => {
  test("that lists a link elsewhere, or a pipe, is refused", async () => {
    await writeManifest(model);
    await rename(join(model, "config.json"), join(root, "config.json"));
    await symlink(join(root, "config.json"), join(model, "config.json"));
    await expect(checkManifest(model)).rejects.toThrow("config.json: is a link that leads out of");
    await rm(join(model, "config.json"));
    execFileSync("mkfifo", [join(model, "config.json")]);
    await expect(checkManifest(model)).rejects.toThrow("config.json: is no file; manifest.json lists one");
  });
});
