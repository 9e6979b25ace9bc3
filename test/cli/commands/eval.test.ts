import { join } from "node:path";
import { expect, test } from "vitest";
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
    { event: "done", tokens: 108, mag_weight: 0, device: "cpu" },
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
  expect(memory).toMatchObject({ code: 0, stdout: "" });
  expect(memory.stderr).toMatch(/^step 1\/1 .*\ndone loss [\d.]+ .*tokens 205 /);
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
      const options = ["--mag-weight", "0.5", "--device", device, "--json"];
      return (await tptt(["eval", "--model", model, "--data", data, ...options])).events().at(-1);
    };
    const [cpu, webgpu] = [await measure("cpu"), await measure("webgpu")];
    expect(webgpu).toMatchObject({ event: "done", device: "webgpu" });
    expect(webgpu?.loss).toBeCloseTo(cpu?.loss as number, 4);
  });
});
