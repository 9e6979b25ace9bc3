import { cp, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { architectures } from "../../src/models/registry.js";
import { lizaModes } from "../../src/train/liza-callback.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";
import { writeGguf } from "../models/gguf-fixture.js";
import { openWorkspace, problems, tptt } from "./workspace.js";

const modelTypes = architectures.flatMap(({ modelTypes }) => modelTypes);

describe("usage", () => {
  test("--help and --version go to stdout", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8"));
    expect(await tptt(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
    const help = await tptt(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const name of ["inspect", "train", "generate", "eval"])
      expect(help.stdout).toMatch(new RegExp(`^ {2}${name} `, "m"));
    expect((await tptt(["train", "--help"])).stdout).toContain("--liza-transition-steps <n>");
  });

  test("every option of every command is described", async () => {
    const { stdout } = await tptt(["--help"]);
    const [, list = ""] = stdout.split("Commands:\n");
    const names = [...list.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(10);
    for (const name of names.filter((name) => name !== "help")) {
      const help = await tptt([name, "--help"]);
      expect(help.stdout, name).not.toMatch(/^ {2}-\S+(?: <[^>]+>)? *$/m);
    }
  });

  test("no command is answered with the help, on stderr", async () => {
    const outcome = await tptt([]);
    expect(outcome).toMatchObject({ code: 2, stdout: "" });
    expect(outcome.stderr).toMatch(/^Usage: tptt /);
  });

  test.each([
    [["trian"], "unknown command 'trian' (Did you mean train?)"],
    [["train", "--modle", "m"], "unknown option '--modle' (Did you mean --model?)"],
    [["train", "--batch-size"], "option '--batch-size <n>' argument missing"],
    [["train", "x"], "too many arguments for 'train'. Expected 0 arguments but got 1."],
  ])("%j is told in one line", async (argv, problem) => {
    expect(await tptt(argv)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `tptt: ${problem}; see tptt --help\n`,
    });
  });
});

test("a config file gives options, and the command line wins", async () => {
  const { write } = await openWorkspace();
  const config = await write("c.yaml", `model: ${fixtureFolder("gemma3")}\nlora_r: 4\nmax_length: 16\n`);
  const [done] = (await tptt(["inspect", "--config", config, "--lora-r", "2", "--json"])).events();
  expect(done).toMatchObject({
    family: "gemma3_text",
    trainable: { lora_r: 2 },
    memory: { training_step: { max_length: 16 } },
  });
});

describe("bad input is told in one line that names the place, and leaves nothing behind", () => {
  /** Changes the files of a run; gives more options for it. */
  type Spoil = (folder: string) => Promise<readonly string[]>;

  /** Trains on what is left of a model and its data; gives the line without the folder's path. */
  async function trainAfter(spoil: Spoil): Promise<string> {
    const { folder, model, write } = await openWorkspace();
    const dataset = await write("data.jsonl", problems);
    const more = await spoil(folder);
    const before = await readdir(folder);
    const output = join(folder, "titan");
    const { code, stdout, stderr } = await tptt([
      ...["train", "--json", "--model", model, "--dataset", dataset, "--output", output],
      ...more,
    ]);
    expect({ code, stdout, files: await readdir(folder) }).toEqual({ code: 2, stdout: "", files: before });
    return stderr.replaceAll(`${folder}/`, "");
  }
  const spoilConfig = (fields: object) => async (folder: string) => {
    const path = join(folder, "base", "config.json");
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...fields }));
    return [];
  };
  const options =
    (...argv: string[]) =>
    async () =>
      argv;

  test.each<[string, Spoil, string]>([
    [
      "a missing model",
      async (folder) => ["--model", join(folder, "none")],
      "none: does not exist; check the path",
    ],
    [
      "missing data",
      async (folder) => ["--dataset", join(folder, "none.json")],
      "none.json: does not exist; check the path",
    ],
    [
      "a wrong field of a record",
      async (folder) => {
        await writeFile(join(folder, "data.jsonl"), '{"text":"a b"}\n{"instruction":"a","output":1}');
        return [];
      },
      'data.jsonl:2: field "output": is a number, expected a string',
    ],
    [
      "an unsupported architecture",
      spoilConfig({ model_type: "gpt9" }),
      `base/config.json: model_type: is "gpt9", expected one of ${modelTypes.join(", ")}; take a model of one of these families`,
    ],
    [
      "a wrong field of config.json",
      spoilConfig({ hidden_size: "big" }),
      'base/config.json: hidden_size: is "big"; Invalid input: expected number, received string',
    ],
    [
      "a truncated safetensors file",
      async (folder) => {
        await truncate(join(folder, "base", "model.safetensors"), 60_000);
        return [];
      },
      "base/model.safetensors: tensor model.layers.0.self_attn.q_proj.weight: needs bytes 57656..63800, the file has 60000; it is truncated or corrupt, download it again",
    ],
    [
      "a model without a tokenizer",
      async () => ["--model", fixtureFolder("llama-gqa")],
      `${fixtureFolder("llama-gqa")}: has no tokenizer; add tokenizer.json to the model's folder`,
    ],
    [
      "an unknown operator",
      options("--operator-mode", "delta"),
      '--operator-mode: is "delta"; Invalid option: expected one of "delta_rule"|"gated_delta_rule"|"delta_rule_v"|"delta_rule_kv"|"delta_rule_gelu"|"delta_product"|"gated_delta_product"|"delta_product_r"|"delta_product_c"',
    ],
    [
      "an unknown schedule of mu",
      options("--liza-callback-mode", "slow"),
      `--liza-callback-mode: is "slow"; Invalid option: expected one of ${lizaModes.map((mode) => `"${mode}"`).join("|")}`,
    ],
    [
      "a length over the model's",
      options("--max-length", "129"),
      "--max-length: is 129, the model knows positions up to 128; shorten it",
    ],
    [
      "no data left to train on",
      options("--eval-samples", "10"),
      "eval_samples: is 10, but the data give 10 examples; leave some to train on",
    ],
    [
      "an unknown layer",
      options("--lora-target-modules", "q_proj,w_proj"),
      "lora_target_modules: names w_proj, which no linear layer of this model is called; it has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head",
    ],
    [
      "an unknown key of the config file",
      async (folder) => {
        await writeFile(join(folder, "c.yaml"), "lora_rank: 4");
        return ["--config", join(folder, "c.yaml")];
      },
      "c.yaml: lora_rank: is not an option of this command; did you mean lora_r, lora_alpha, lora_dropout?",
    ],
  ])("%s", async (_, spoil, problem) => {
    expect(await trainAfter(spoil)).toBe(`tptt: ${problem}\n`);
  });

  test("a truncated GGUF file", async () => {
    const path = await writeGguf("llama", { block_count: ["u32", 2] }, new Map());
    await truncate(path, 60);
    const outcome = await tptt(["generate", "--model", path, "--prompt", "a"]);
    expect(outcome).toMatchObject({ code: 2, stdout: "" });
    expect(outcome.stderr).toMatch(/^tptt: \/\S+\/model.gguf: .* truncated or corrupt, download it again\n$/);
  });

  test("a folder that holds something already", async () => {
    const { folder, model, write } = await openWorkspace();
    const dataset = await write("data.jsonl", problems);
    const output = await temporaryFolder();
    await cp(dataset, join(output, "notes.txt"));
    const outcome = await tptt(["train", "--model", model, "--dataset", dataset, "--output", output]);
    expect(outcome.stderr).toBe(
      `tptt: ${output}: is not empty (notes.txt); give a new folder, or --resume to go on with the run in it\n`,
    );
    expect(await readdir(output)).toEqual(["notes.txt"]);
    const resumed = await tptt([
      "train",
      "--model",
      model,
      "--dataset",
      dataset,
      "--output",
      folder,
      "--resume",
    ]);
    expect(resumed.stderr).toBe(
      `tptt: ${folder}: holds no checkpoint to go on from; train without --resume in a new folder\n`,
    );
  });
});
