import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Evaluation, readEvaluation } from "../../../src/evaluate/result-file.js";
import { describeOnWebgpu } from "../../webgpu-driver.js";
import { openWorkspace, problems, tptt } from "../workspace.js";

test("a model is measured on data, whatever the order of its batches", async () => {
  const { model, write } = await openWorkspace();
  const last = await write("last.jsonl", problems.split("\n").slice(-4).join("\n"));
  const measure = async (path: string, ...options: string[]) => {
    const command = ["eval", "--model", model, "--data", path, "--batch-size", "2", "--json", ...options];
    const { code, events } = await tptt(command);
    expect(code).toBe(0);
    return events();
  };
  const events = await measure(last);
  expect(events).toMatchObject([
    { event: "progress", step: 1, total: 2 },
    { event: "progress", step: 2, total: 2 },
    { event: "done", tokens: 108, mag_weight: 0, device: "cpu", dtype: "f32" },
  ]);
  const { loss, perplexity, perplexity_interval, tokens_per_second } = events.at(-1) as Record<
    string,
    number
  > & {
    perplexity_interval: [number, number];
  };
  expect(perplexity).toBeCloseTo(Math.exp(loss!), 10);
  expect(perplexity_interval[0]).toBeLessThan(perplexity!);
  expect(perplexity_interval[1]).toBeGreaterThan(perplexity!);
  expect(tokens_per_second).toBeGreaterThan(0);

  const answers = (await measure(last, "--mask-prompt")).at(-1);
  expect(answers?.tokens).toBe(108 - 4 * "what is 6 and 6?\n".length);
  const memory = (await measure(last, "--mag-weight", "0.5")).at(-1);
  expect(memory).toMatchObject({ mag_weight: 0.5 });
  expect(memory?.loss).not.toBe(loss);
  const rounded = (await measure(last, "--quantize", "int8")).at(-1);
  expect(rounded?.loss).not.toBe(loss);
  expect(rounded?.loss).toBeCloseTo(loss!, 1);
});

test("the examples that training holds out are measured, with its seed", async () => {
  const { folder, model, write } = await openWorkspace();
  const data = await write("data.jsonl", problems);
  const training = ["train", "--model", model, "--dataset", data, "--max-steps", "1", "--json"];
  const heldOut = async (seed: string) => {
    const options = ["--seed", seed, "--dataset-percentage", "0.9"];
    const output = join(folder, seed);
    const { events } = await tptt([...training, ...options, "--eval-samples", "4", "--output", output]);
    const inTraining = events().find(({ event }) => event === "evaluation");
    const command = ["eval", "--model", model, "--data", data, ...options, "--samples", "4", "--json"];
    const alone = (await tptt(command)).events().at(-1);
    expect(alone).toMatchObject({ tokens: inTraining!.tokens });
    expect(alone!.loss).toBeCloseTo(Number(inTraining!.eval_loss), 5);
    return alone!.loss;
  };
  expect(await heldOut("1")).not.toBe(await heldOut("2"));
});

test("a length over the model's is refused, but not where nothing depends on positions", async () => {
  const { model, write } = await openWorkspace();
  const data = await write("text.txt", "once upon a time ".repeat(12));
  const command = ["eval", "--model", model, "--data", data, "--max-length", "200"];
  expect(await tptt(command)).toMatchObject({
    code: 2,
    stdout: "",
    stderr: "tptt: --max-length: is 200, the model knows positions up to 128; shorten it\n",
  });
  const memory = await tptt([...command, "--mag-weight", "1"]);
  expect(memory.code).toBe(0);
  expect(memory.stdout).toMatch(/^loss +[\d.]+ {2}\(no interval\) +of 205\nperplexity /);
  expect(memory.stderr).toMatch(/^step 1\/1 .*\ndone loss [\d.]+ .*tokens 205 /);
});

const questions = ["b", "a"].map((answer) =>
  JSON.stringify({ question: `${answer} or not?`, choices: ["b", "a"], answer: answer === "b" ? 0 : "B" }),
);

test.each([
  ["exact-match", ["--max-new-tokens", "3"], ["em", "qem", "pem", "pqem"], problems],
  ["multiple-choice", ["--choice-form", "text"], ["accuracy", "accuracy_normalized"], questions.join("\n")],
])("--task %s writes its result, with an interval for each figure", async (task, options, names, rows) => {
  const { folder, model, write } = await openWorkspace();
  const data = await write("rows.jsonl", rows);
  const command = ["eval", "--task", task, "--model", model, "--data", data, ...options];
  const { code, events } = await tptt([...command, "--samples", "2", "--out", folder, "--json"]);
  expect(code).toBe(0);
  const done = events().at(-1)!;
  const file = join(folder, `eval-${task}.json`);
  expect(done).toMatchObject({ event: "done", out: file, mag_weight: 0 });
  const written = await readEvaluation(file);
  expect(written).toEqual(done.result);
  expect(written).toMatchObject({
    task,
    model: { name: model, model_type: "llama", memory: "off", mag_weight: 0 },
    data: { name: data, fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/), examples: 2 },
    options: { samples: 2, data: [data] },
    versions: { tptt: expect.any(String), onnxruntime: expect.any(String), node: process.version },
  });
  expect(written.metrics.map(({ name }) => name)).toEqual(names);
  for (const { name, value, interval, interval_method, count } of written.metrics) {
    expect([interval_method, count]).toEqual(["wilson", 2]);
    expect(interval![0]).toBeLessThanOrEqual(value!);
    expect(interval![1]).toBeGreaterThanOrEqual(value!);
    expect(done[name]).toBe(value);
  }
  const told = await tptt(command);
  for (const name of names)
    expect(told.stdout).toMatch(new RegExp(`^${name} +[\\d.]+ % {2}\\([\\d.]+ % to [\\d.]+ %\\) `, "m"));
  expect(told.stderr).toMatch(/^step \d+\/\d+/);
});

test.each([
  [
    "recall",
    ["--pairs", "2,4"],
    "mqar",
    ["recall", "loss"],
    "recall in %, by pairs (down) and distance (across)",
  ],
  [
    "needle",
    ["--lengths", "120", "--depths", "0,1"],
    "passkey",
    ["recall", "loss"],
    "recall in %, by depth (down) and length (across)",
  ],
  [
    "memory",
    ["--mag-weights", "0,1", "--pairs", "2"],
    "text.txt",
    ["loss", "kl_from_base", "recall", "memory_share"],
    "memory share in %, by layer (down) and mag weight (across)",
  ],
])("--task %s gives figures, a map, and its picture", async (task, options, data, names, title) => {
  const { folder, model, write } = await openWorkspace();
  const picture = join(folder, "map.svg");
  const text = await write("text.txt", "once upon a time there was a king. ".repeat(8));
  const command = ["eval", "--task", task, "--model", model, "--max-length", "120", ...options];
  if (task === "memory") command.push("--data", text);
  else command.push("--samples", "2");
  const told = await tptt([...command, "--plot", picture, "--out", folder]);
  expect(told.code).toBe(0);
  expect(told.stdout).toContain(`\n${title}\n`);
  if (task === "memory") expect(told.stdout).toMatch(/^ {2}mu +loss +kl_from_base +recall +memory_share$/m);
  expect(await readFile(picture, "utf8")).toMatch(/^<svg /);
  const written = await readEvaluation(join(folder, `eval-${task}.json`));
  expect(written.data.name.endsWith(data)).toBe(true);
  expect(written.metrics.map(({ name }) => name)).toEqual(names);
  const { metric, row, column } = written.heat_map!;
  const cells = written.breakdown!.filter(
    ({ name, where }) => name === metric && where?.[row] !== undefined && where[column] !== undefined,
  );
  expect(cells.length).toBeGreaterThanOrEqual(2);
  for (const { value } of cells) {
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThanOrEqual(1);
  }
});

test.each([
  [[], "facts", 8],
  [["--no-facts"], "mqar", 0],
])("the demo's model is asked in its own words unless told otherwise: %j", async (options, name, known) => {
  const command = [
    "eval",
    "--model",
    "assets/tiny",
    "--task",
    "recall",
    "--max-length",
    "48",
    "--pairs",
    "4",
  ];
  const { events } = await tptt([...command, "--samples", "4", "--json", ...options]);
  const done = events().at(-1) as { recall: number; result: Evaluation };
  expect(done.result.data.name).toBe(name);
  // All of it is inside of the model's window.
  expect(Math.round(10 * done.recall)).toBeGreaterThanOrEqual(known);
});

test.each([
  [
    ["--data", "x", "--plot", "map.svg"],
    "--plot: is for --task recall, needle, memory, not for perplexity; leave it out",
  ],
  [["--task", "recall", "--plot", "map.gif"], "map.gif: ends in .gif, expected .svg or .png"],
  [
    ["--task", "memory", "--data", "x", "--mag-weights", "0,2"],
    '--mag-weights: is "0,2"; expected numbers from 0 to 1 with commas between them',
  ],
  [
    ["--task", "recall", "--pairs", "4,x"],
    '--pairs: is "4,x"; expected whole numbers of at least 1 with commas between them',
  ],
  [
    ["--task", "exact-match"],
    "--data: is missing; give JSON, JSONL, CSV, Parquet or text: a file, a folder or a pattern",
  ],
  [
    ["--data", "x", "--max-new-tokens", "4"],
    "--max-new-tokens: is for --task exact-match, not for perplexity; leave it out",
  ],
  [["--task", "exam"], /^tptt: --task: .*"perplexity"\|"exact-match"/],
  [
    ["--task", "recall", "--out", "none/a.json"],
    "none/a.json: cannot be written: its folder does not exist; make it, or check the path",
  ],
  [["--task", "recall", "--plot", "none/a.svg"], "none/a.svg: cannot be written: its folder does not exist"],
])("options that do not fit the task are refused: %j", async (options, problem) => {
  const { code, stderr } = await tptt(["eval", "--model", "m", ...options]);
  expect(code).toBe(2);
  expect(stderr).toMatch(problem);
});

test("data without answers, or without choices, are refused", async () => {
  const { model, write } = await openWorkspace();
  const measure = (task: string, data: string) =>
    tptt(["eval", "--task", task, "--model", model, "--data", data]);
  const text = await write("text.txt", "words");
  expect((await measure("exact-match", text)).stderr).toBe(
    `tptt: ${text}: is a text without an answer; expected instruction and output, or messages, or question, choices and answer\n`,
  );
  expect((await measure("multiple-choice", text)).stderr).toMatch("has 1 records without choices");
  const wrong = await write("wrong.jsonl", '{"question": "q", "choices": ["a", "b"], "answer": "C"}');
  expect((await measure("multiple-choice", wrong)).stderr).toBe(
    `tptt: ${wrong}:1: field "answer": is "C", expected a number from 0 to 1 or a letter from A to B\n`,
  );
});

test("a device that is not known is refused", async () => {
  const { model, write } = await openWorkspace();
  const command = ["eval", "--model", model, "--data", await write("text.txt", "once upon a time")];
  expect(await tptt([...command, "--device", "gpu"])).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/^tptt: --device: .*"cpu"\|"webgpu"\|"cuda"/),
  });
});

describeOnWebgpu("on the WebGPU provider", () => {
  test("the loss is that of the processor", { timeout: 120_000 }, async () => {
    const { model, write } = await openWorkspace();
    const data = await write("text.txt", "once upon a time");
    const measure = async (device: string) => {
      const options = ["--mag-weight", "0.5", "--device", device, "--dtype", "f32", "--json"];
      return (await tptt(["eval", "--model", model, "--data", data, ...options])).events().at(-1);
    };
    const [cpu, webgpu] = [await measure("cpu"), await measure("webgpu")];
    expect(webgpu).toMatchObject({ event: "done", device: "webgpu", dtype: "f32" });
    expect(webgpu?.loss).toBeCloseTo(cpu?.loss as number, 4);
  });
});
