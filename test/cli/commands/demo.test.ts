import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../models/fixture.js";
import { tptt } from "../workspace.js";

const short = ["demo", "--steps", "2", "--samples", "1", "--json"];

test("a demo measures before and after, and leaves a titan in the place of an earlier one", async () => {
  const output = await temporaryFolder();
  await writeFile(join(output, "demo.json"), "{}");
  await writeFile(join(output, "left-over"), "");
  const outcome = await tptt([...short, "--output", output]);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  const events = outcome.events();
  const done = events.at(-1)!;
  expect(events.map(({ event, model }) => model ?? event)).toEqual([
    "base model",
    "progress",
    "progress",
    "titan, mu 0.5",
    "titan, mu 0",
    "titan, mu 1",
    "titan, mu 0.5 and 1",
    "titan, mu 0.5 and 0",
    "titan, mu 1 and 0.5",
    "done",
  ]);
  const bands = [{ band: "inside", from: 6, to: 47 }, {}, {}, {}, {}, { band: "16-19x", from: 768, to: 911 }];
  expect(done).toMatchObject({
    window: 48,
    chance: 1 / 32,
    training: { steps: 2, mag_weight: [0, 0.5] },
    base: { mag_weights: [], bands },
    titan: { mag_weights: [0.5, 0.5], bands },
  });

  expect((await readdir(output)).sort()).toEqual([
    "README.md",
    "adapter_model.safetensors",
    "config.json",
    "demo.json",
    "prompt.txt",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const { event, output: told, ...measured } = done;
  expect({ event, told }).toEqual({ event: "done", told: output });
  expect(JSON.parse(await readFile(join(output, "demo.json"), "utf8"))).toEqual(measured);
  const prompt = await readFile(join(output, "prompt.txt"), "utf8");
  const answer = await tptt(["generate", "--model", output, "--prompt", prompt, "--max-new-tokens", "1"]);
  expect(answer).toMatchObject({ code: 0, stderr: expect.stringContaining("mag weight 0.5") });
  expect(done.question).toMatchObject({ prompt, answers: { titan: answer.stdout.trim() } });
});

test("a folder that no demo wrote stays as it is", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "thesis.txt");
  await writeFile(file, "long");
  expect(await tptt([...short, "--output", folder])).toMatchObject({
    code: 2,
    stdout: "",
    stderr: `tptt: ${folder}: holds what no demo wrote (thesis.txt); give another folder with --output\n`,
  });
  expect(await tptt([...short, "--output", file])).toMatchObject({
    code: 2,
    stderr: `tptt: ${file}: is a file, expected a folder\n`,
  });
  expect(await readdir(folder)).toEqual(["thesis.txt"]);
});
