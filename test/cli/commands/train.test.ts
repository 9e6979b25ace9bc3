import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Tensor } from "../../../src/engine/index.js";
import { readFrontMatter } from "../../../src/io/front-matter.js";
import { writeSafetensors } from "../../../src/io/safetensors.js";
import { openSafetensors } from "../../../src/io/weight-source.js";
import { conversation, templates } from "../../data/templates.js";
import { hubMetadata } from "../../tptt/files/hub-metadata.js";
import { openWorkspace, problems, tptt } from "../workspace.js";

/** A workspace with data, and the options of a short run on them. */
async function openRun(fixture?: string) {
  const workspace = await openWorkspace(fixture);
  const dataset = await workspace.write("data.jsonl", problems);
  const options = ["--model", workspace.model, "--dataset", dataset, "--batch-size", "2", "--max-steps", "4"];
  const output = (name: string) => join(workspace.folder, name);
  return { ...workspace, options, output };
}

const weightsIn = (folder: string) => readFile(join(folder, "adapter_model.safetensors"));
const configIn = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
const metricsIn = async (folder: string) =>
  (await readFile(join(folder, "metrics.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { tokens_per_second, ...rest } = JSON.parse(line);
      return rest;
    });

test("a run that is interrupted and resumed ends as one in one piece, bit for bit", async () => {
  const { options, output } = await openRun();
  const json = ["--json", "--logging-steps", "1"];
  const schedule = ["--eval-samples", "2", "--liza-transition-steps", "2", "--lora-dropout", "0.1"];
  const whole = await tptt(["train", ...options, ...schedule, ...json, "--output", output("whole")]);
  expect(whole).toMatchObject({ code: 0, stderr: "" });
  expect(whole.events()).toMatchObject([
    { event: "data", examples: 8, eval_examples: 2, trainable_parameters: 4352 },
    { event: "evaluation", step: 0, tokens: 53 },
    { event: "progress", step: 1, total: 4, mu: 0, learning_rate: 5e-4 },
    { event: "progress", step: 2, mu: 0.25 },
    { event: "progress", step: 3, mu: 0.5 },
    { event: "progress", step: 4, mu: 0.5 },
    { event: "evaluation", step: 4 },
    { event: "done", steps: 4, eval_losses: [{ step: 0 }, { step: 4 }], output: output("whole") },
  ]);
  expect((await readdir(output("whole"))).sort()).toEqual([
    "README.md",
    "adapter_model.safetensors",
    "config.json",
    "curves.svg",
    "metrics.jsonl",
    "tokenizer.json",
    "tokenizer_config.json",
    "train.yaml",
    "train_results.json",
  ]);

  const parts = ["train", ...options, ...schedule, ...json, "--output", output("it's")];
  const first = await tptt(parts, (text, interrupt) => {
    if (text.includes('"progress","step":2')) interrupt();
  });
  const resume = `npx tptt train --output '${output("it'\\''s")}' --resume`;
  expect(first.code).toBe(130);
  expect(first.stderr.split("\n")).toEqual([
    "interrupted: a checkpoint follows this step; interrupt again to stop at once",
    `to go on: ${resume}`,
    "",
  ]);
  expect(first.events().slice(-2)).toMatchObject([
    { event: "checkpoint", step: 2, folder: join(output("it's"), "checkpoint-2") },
    { event: "done", steps: 2, interrupted: true, resume },
  ]);
  expect((await readdir(output("it's"))).sort()).toEqual(["checkpoint-2", "metrics.jsonl", "train.yaml"]);

  const second = await tptt(["train", "--output", output("it's"), "--resume", "--json"]);
  expect(second.code).toBe(0);
  expect(second.events().at(-1)).toMatchObject({ event: "done", steps: 4, eval_losses: [{ step: 4 }] });
  expect(await weightsIn(output("it's"))).toEqual(await weightsIn(output("whole")));
  expect(await configIn(output("it's"))).toEqual(await configIn(output("whole")));
  expect(await metricsIn(output("it's"))).toEqual(await metricsIn(output("whole")));
});

test("a run over packed CSV, Parquet and text files goes on as it would have, and not with other data", async () => {
  const { folder, model, output, write } = await openRun();
  await mkdir(join(folder, "set"));
  await write("set/a.csv", `instruction,output\n${"what is 1?,it is 1.\n".repeat(6)}`);
  await cp(
    fileURLToPath(new URL("../../fixtures/datasets/tasks-zstd.parquet", import.meta.url)),
    join(folder, "set/b.parquet"),
  );
  await write("set/c.txt", "once upon a time ".repeat(20));
  const options = [
    "--model",
    model,
    "--dataset",
    join(folder, "set"),
    "--batch-size",
    "2",
    "--max-steps",
    "4",
  ];
  const packing = [
    ...options,
    "--packing",
    "--max-length",
    "80",
    "--eval-samples",
    "2",
    "--mask-prompt",
    "--json",
  ];
  const whole = await tptt(["train", ...packing, "--output", output("whole")]);
  expect(whole.events()[0]).toMatchObject({ event: "data", eval_examples: 2 });
  expect(Number(whole.events()[0]!.examples)).toBeLessThan(12);
  await tptt(
    ["train", ...packing, "--logging-steps", "1", "--output", output("parts")],
    (text, interrupt) => {
      if (text.includes('"progress","step":2')) interrupt();
    },
  );
  await cp(output("parts"), output("copy"), { recursive: true });
  const other = await tptt(["train", "--output", output("copy"), "--resume", "--no-packing"]);
  expect(other.code).toBe(2);
  // What was refused changed nothing, and holds nothing.
  expect((await readdir(output("copy"))).sort()).toEqual((await readdir(output("parts"))).sort());
  expect(await readFile(join(output("copy"), "train.yaml"), "utf8")).toBe(
    await readFile(join(output("parts"), "train.yaml"), "utf8"),
  );
  expect(other.stderr).toMatch(/^tptt: dataset: is \d+ examples, \w+, the run was started with/m);
  expect(await tptt(["train", "--output", output("parts"), "--resume"])).toMatchObject({ code: 0 });
  expect(await weightsIn(output("parts"))).toEqual(await weightsIn(output("whole")));
});

test("conversations are learnt with a template that is given, and malformed rows are counted", async () => {
  const { model, output, write } = await openRun();
  const dataset = await write(
    "chats.jsonl",
    `${Array.from({ length: 4 }, () => JSON.stringify({ messages: conversation })).join("\n")}\n{}\n`,
  );
  const template = await write("chat.jinja", templates.mistral);
  const options = ["--model", model, "--dataset", dataset, "--batch-size", "2", "--max-steps", "4"];
  const command = ["train", ...options, "--chat-template", template, "--json"];
  expect(await tptt([...command, "--output", output("none")])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("chats.jsonl:5: has no fields, expected"),
  });
  const { code, events, stderr } = await tptt([...command, "--skip-malformed", "--output", output("titan")]);
  expect(code).toBe(0);
  expect(stderr).toContain("chats.jsonl:5: has no fields");
  expect(events()[0]).toMatchObject({ event: "data", examples: 4, malformed: 1 });
  // Four steps of two conversations, of which the answers are predicted: two, with their ends.
  expect(events().at(-1)).toMatchObject({ tokens: 8 * ("hello".length + "so long".length + 2) });
  const saved = JSON.parse(await readFile(join(output("titan"), "tokenizer_config.json"), "utf8"));
  expect(saved.chat_template).toBe(templates.mistral);
});

test("a schedule of mu is refused without the memory", async () => {
  const { options, output } = await openRun("gemma3");
  const idle = ["--disable-linear-attn", "--liza-callback-mode", "ramp"];
  const { code, stderr } = await tptt(["train", ...options, ...idle, "--output", output("idle")]);
  expect(code).toBe(2);
  expect(stderr).toBe(
    "tptt: --liza-callback-mode: is given beside --disable-linear-attn, which leaves it without effect; leave one of them out\n",
  );
});

test("without the memory it is plain LoRA", async () => {
  const { options, output } = await openRun("gemma3");
  const plain = ["--disable-linear-attn", "--lora-target-modules", "q_proj,v_proj", "--max-steps", "1"];
  const { code, events } = await tptt(["train", ...options, ...plain, "--output", output("lora"), "--json"]);
  expect(code).toBe(0);
  expect(events()[1]).toMatchObject({ event: "progress", mu: 0 });
  expect(await configIn(output("lora"))).toMatchObject({
    disable_linear_attn: true,
    lora_config: { r: 8, lora_alpha: 16, target_modules: ["q_proj", "v_proj"] },
  });
});

test("a saved titan is trained on as it is, but for what is given", async () => {
  const { options, output, write } = await openRun();
  const titan = [
    "--operator-mode",
    "delta_product",
    "--lora-r",
    "4",
    "--mag-weight",
    "0.25",
    "--max-steps",
    "1",
  ];
  const constant = ["--liza-callback-mode", "constant"];
  await tptt(["train", ...options, ...titan, ...constant, "--output", output("first")]);
  const text = await write("text.txt", "The quick brown fox jumps over the lazy dog. ".repeat(20));
  const second = await tptt([
    ...["train", "--model", output("first"), "--dataset", text, "--output", output("second")],
    ...[
      "--max-steps",
      "2",
      "--max-length",
      "32",
      "--eval-samples",
      "3",
      "--lora-dropout",
      "0.1",
      ...constant,
    ],
  ]);
  expect(second).toMatchObject({ code: 0, stdout: "" });
  expect(second.stderr).toMatch(
    /^data examples 27 eval examples 3 .*\nevaluation step 0 .*\nstep 2\/2 loss [\d.]+ mu 0.25 .*\nevaluation step 2 .*\ndone steps 2 /,
  );
  expect(await configIn(output("second"))).toMatchObject({
    operator_mode: "delta_product",
    mag_weight: 0.25,
    lora_config: { r: 4, lora_dropout: 0.1 },
  });
  expect(await weightsIn(output("second"))).not.toEqual(await weightsIn(output("first")));
});

test("the model card tells how the run was, by a template of the user's own if there is one", async () => {
  const { options, output, write } = await openRun();
  const card = (name: string) => readFile(join(output(name), "README.md"), "utf8");
  await tptt(["train", ...options, "--eval-samples", "2", "--output", output("ours")]);
  const ours = await card("ours");
  for (const row of ["data.jsonl | 10 | 0", "steps | 4", "batch size | 2", "learning rate | 0.0005"])
    expect(ours).toContain(`| ${row} |\n`);
  expect(ours).toMatch(/\n8 examples to train on \(fingerprint `\w{16}`\), 2 held out \(`\w{16}`\)\.\n/);
  expect(ours).toMatch(
    /\| training loss per token \| [\d.]+ \(step 1\) \| [\d.]+ \(step 4\) \| .*\n\| held-out loss per token \| [\d.]+ \(step 0\) /,
  );
  expect(hubMetadata.parse(readFrontMatter(ours))).toMatchObject({ library_name: "tptt" });
  expect(ours).not.toContain("| epochs |");

  const template = await write("card.md", "{{ model_id }}: {{ config.operator_mode }}, {{ steps }} steps");
  await tptt(["train", ...options, "--card-template", template, "--output", output("theirs")]);
  expect(await card("theirs")).toBe("theirs: delta_rule, 4 steps");
  const missing = await tptt(["train", ...options, "--card-template", "none.md", "--output", output("none")]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("none.md: is no file and no built-in template");
  await expect(readdir(output("none"))).rejects.toThrow("ENOENT");
  const faulty = await write("faulty.md", "{% if steps %}{{ loss | no_filter }}{% endif %}");
  const failed = await tptt(["train", ...options, "--card-template", faulty, "--output", output("none")]);
  expect(failed.code).toBe(2);
  expect(failed.stderr).toContain(`tptt: ${faulty}: cannot be rendered`);
  expect(failed.stderr).not.toContain("step 4/4");
  await expect(readdir(output("none"))).rejects.toThrow("ENOENT");
});

test("mu may rise along the sequence in training; the titan is left with one for all tokens", async () => {
  const { options, output } = await openRun();
  const ramp = ["--liza-callback-mode", "ramp", "--liza-transition-steps", "3", "--mag-weight", "0.7"];
  const run = await tptt([
    "train",
    ...options,
    ...ramp,
    "--logging-steps",
    "1",
    "--output",
    output("ramp"),
    "--json",
  ]);
  const mus = run.events().filter(({ event }) => event === "progress");
  expect(mus.map(({ mu }) => mu)).toEqual([0, expect.closeTo(1 / 3), expect.closeTo(2 / 3), 1]);
  expect(await configIn(output("ramp"))).toMatchObject({ mag_weight: 0.7 });
});

test("mu may be learned; it has no schedule then, and cannot be given later", async () => {
  const { options, output } = await openRun();
  const learned = ["train", ...options, "--mag-mode", "dynamic"];
  const run = await tptt([...learned, "--output", output("gate"), "--json"]);
  expect(run.code).toBe(0);
  expect(run.events()[1]).toEqual(expect.not.objectContaining({ mu: expect.anything() }));
  expect(await configIn(output("gate"))).toMatchObject({ mag_mode: "dynamic" });
  const weights = await openSafetensors(join(output("gate"), "adapter_model.safetensors"));
  expect([...weights.tensors.keys()]).toContain(
    "model.model.layers.1.self_attn.memory_gate.dynamic_gate.conv1d.weight",
  );
  await weights.close();
  const text = ["generate", "--model", output("gate"), "--prompt", "a", "--max-new-tokens", "3"];
  expect((await tptt(text)).code).toBe(0);
  expect(await tptt([...text, "--mag-weight", "1"])).toMatchObject({
    code: 2,
    stderr: `tptt: --mag-weight: is 1, but ${output("gate")} has learned its mu; leave it out\n`,
  });
  const scheduled = await tptt([...learned, "--liza-callback-mode", "gradual", "--output", output("no")]);
  expect(scheduled.code).toBe(2);
  expect(scheduled.stderr).toContain(
    "tptt: liza_callback_mode: is gradual, but mag_mode is dynamic: mu is learned; take switch, or no schedule\n",
  );
});

test("a run that fails before its first step ends leaves nothing", async () => {
  const { folder, model, options, output } = await openRun();
  const path = join(model, "model.safetensors");
  const source = await openSafetensors(path);
  const tensors = new Map<string, Tensor>();
  for (const name of source.tensors.keys()) tensors.set(name, await source.read(name));
  await source.close();
  tensors.set("model.norm.weight", Tensor.f32([32], new Float32Array(32).fill(Number.NaN)));
  await writeSafetensors(path, tensors);

  const failed = await tptt(["train", ...options, "--output", join(output("a"), "b")]);
  expect(failed.code).toBe(2);
  expect(failed.stderr).toMatch(
    /^tptt: step 1: the loss is NaN; the batch is \S+data.jsonl:\d+, \S+data.jsonl:\d+; lower learning_rate, .*\n$/m,
  );
  await mkdir(output("there"));
  expect((await tptt(["train", ...options, "--output", output("there")])).code).toBe(2);
  expect((await readdir(folder)).sort()).toEqual(["base", "data.jsonl", "there"]);
  expect(await readdir(output("there"))).toEqual([]);
});

test("a titan in Python's form is trained, and goes on in that form", async () => {
  const { options, output, folder } = await openRun();
  const titan = output("titan");
  const form = [
    "--operator-form",
    "tptt-0.12",
    "--operator-mode",
    "delta_product",
    "--mag-weight",
    "1",
    "--liza-callback-mode",
    "constant",
  ];
  expect(await tptt(["train", ...options, ...form, "--output", titan])).toMatchObject({ code: 0 });
  expect(await configIn(titan)).toMatchObject({ operator_form: "tptt-0.12", operator_mode: "delta_product" });
  const text = ["--model", titan, "--json"];
  const written = await tptt(["generate", ...text, "--prompt", "3 + 4 =", "--max-new-tokens", "3"]);
  expect(written.events().at(-1)).toMatchObject({ event: "done", tokens: 3, mag_weight: 1 });
  const data = ["--data", join(folder, "data.jsonl")];
  expect((await tptt(["eval", ...text, ...data])).events().at(-1)).toMatchObject({
    event: "done",
    mag_weight: 1,
  });
});

test("a rounded base model is trained, and the titan holds what a titan holds", async () => {
  const { options, output } = await openRun();
  const train = (name: string, ...more: string[]) =>
    tptt(["train", ...options, "--eval-samples", "2", "--json", "--output", output(name), ...more]);
  const plain = (await train("plain")).events().at(-1);
  const rounded = await train("int8", "--quantize", "int8");
  expect(rounded).toMatchObject({ code: 0, stderr: "" });
  const losses = (done: unknown) => (done as { eval_losses: { loss: number }[] }).eval_losses;
  for (const [i, { loss }] of losses(rounded.events().at(-1)).entries()) {
    expect(loss).toBeCloseTo(losses(plain)[i]!.loss, 1);
    expect(loss).not.toBe(losses(plain)[i]!.loss);
  }
  expect(await configIn(output("int8"))).toEqual(await configIn(output("plain")));
  expect((await weightsIn(output("int8"))).length).toBe((await weightsIn(output("plain"))).length);
});

test("an interruption while the titan is written does not keep it from being whole", async () => {
  const { options, output } = await openRun();
  const folder = output("titan");
  let watching: NodeJS.Timeout | undefined;
  const run = tptt(
    ["train", ...options, "--logging-steps", "1", "--json", "--output", folder],
    (text, interrupt) => {
      if (!text.includes('"step":4')) return;
      watching ??= setInterval(() => {
        if (!existsSync(join(folder, "adapter_model.safetensors"))) return;
        clearInterval(watching);
        interrupt();
      }, 1);
    },
  );
  expect(await run).toMatchObject({
    code: 0,
    stderr: "interrupted: the titan is being written; interrupt again to stop at once\n",
  });
  expect(await readdir(folder)).toContain("README.md");
});

test("what is to be resumed and is no run is told", async () => {
  const { folder, output } = await openRun();
  for (const path of [folder, output("nothing")]) {
    const { code, stderr } = await tptt(["train", "--output", path, "--resume"]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `tptt: ${path}: holds no run to go on with, for there is no train.yaml; check the folder\n`,
    });
  }
});

test("a torn checkpoint is told at resume, and the one before it used; as many are kept as asked for", async () => {
  const { options, output } = await openRun();
  const saving = [...options, "--save-steps", "1", "--save-total-limit", "2"];
  expect((await tptt(["train", ...saving, "--output", output("whole")])).code).toBe(0);
  const checkpoints = async (name: string) =>
    (await readdir(output(name))).filter((file) => file.startsWith("checkpoint")).sort();
  expect(await checkpoints("whole")).toEqual(["checkpoint-3", "checkpoint-4"]);

  const stopped = ["train", ...saving, "--logging-steps", "1", "--json", "--output", output("parts")];
  await tptt(stopped, (text, interrupt) => {
    if (text.includes('"progress","step":3')) interrupt();
  });
  const torn = join(output("parts"), "checkpoint-3");
  await writeFile(join(torn, "optimizer.safetensors"), "");
  const resumed = await tptt(["train", "--output", output("parts"), "--resume"]);
  expect(resumed.code).toBe(0);
  expect(resumed.stderr).toMatch(
    /^torn checkpoint: .*checkpoint-3.optimizer.safetensors: has 0 bytes, manifest.json says \d+; it is torn; set aside as .*checkpoint-3.torn\ngoing on from .*checkpoint-2\n/,
  );
  expect(await checkpoints("parts")).toEqual(["checkpoint-3", "checkpoint-3.torn", "checkpoint-4"]);
  expect(await weightsIn(output("parts"))).toEqual(await weightsIn(output("whole")));
});
