import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openWorkspace, problems, tptt } from "../workspace.js";

test("runs are shown side by side: figures, options that differ, and what they write", async () => {
  const { folder, model, write } = await openWorkspace();
  const dataset = await write("data.jsonl", problems);
  const train = async (name: string, ...more: string[]) => {
    const output = join(folder, name);
    const options = ["--dataset", dataset, "--output", output, "--max-steps", "2", "--batch-size", "2"];
    const { code } = await tptt(["train", "--model", model, ...options, "--eval-samples", "2", ...more]);
    expect(code).toBe(0);
    return output;
  };
  const a = await train("a");
  const b = await train("b", "--learning-rate", "0.01", "--lora-r", "4", "--seed", "1");
  await write(
    "a/eval-recall.json",
    JSON.stringify({
      task: "recall",
      data: { name: "facts" },
      metrics: [{ name: "recall", value: 0.75, interval: [0.5, 0.9], count: 8 }],
    }),
  );
  const prompts = await write("prompts.txt", "what is\n\nit is\n");
  const out = join(folder, "compared.md");
  const found = await tptt([
    ...["compare", a, b, "--prompts", prompts, "--max-new-tokens", "3", "--out", out, "--json"],
  ]);
  expect(found.code).toBe(0);
  const events = found.events().filter(({ event }) => event !== "progress");
  expect(events).toMatchObject([
    {
      event: "run",
      name: "a",
      figures: {
        steps: { value: 2 },
        "held-out loss": { value: expect.any(Number) },
        "recall: recall": { value: 0.75, interval: [0.5, 0.9] },
        "trained parameters": { value: 4352 },
        "generation tokens/s": { value: expect.any(Number) },
      },
    },
    { event: "run", name: "b", figures: { "trained parameters": { value: 2176 } } },
    { event: "continuations", prompt: "what is", texts: [expect.any(String), expect.any(String)] },
    { event: "continuations", prompt: "it is" },
    { event: "done", runs: ["a", "b"], differ: { learning_rate: [5e-4, 0.01], seed: [0, 1] }, out },
  ]);
  const { differ, remarks } = events.at(-1) as { differ: Record<string, unknown>; remarks: string[] };
  expect(Object.keys(differ).sort()).toEqual(["data", "learning_rate", "lora_config", "lora_r", "seed"]);
  expect(remarks).toEqual(["the runs hold out different examples: their held-out losses do not compare"]);
  // A titan goes on as `generate` does.
  const alone = ["generate", "--model", a, "--prompt", "it is", "--max-new-tokens", "3", "--json"];
  const text = (await tptt(alone)).events().at(-1)!.text;
  expect((events[3] as { texts: string[] }).texts[0]).toBe(text);

  const markdown = await readFile(out, "utf8");
  expect(markdown).toContain("# a, b\n\n|  | a | b |\n| --- | --- | --- |\n| steps | 2 | 2 |\n");
  expect(markdown).toContain("| recall: recall | 0.75 (0.5 to 0.9) | - |\n");
  expect(markdown).toContain("| learning_rate | 0.0005 | 0.01 |\n");
  expect(markdown).toContain('### "it is"\n\n| run | text |\n');

  const shown = await tptt(["compare", a, b]);
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toMatch(/^ +a +b\n +steps +2 +2\n/);
  expect(shown.stdout).toMatch(/\n +options that differ +a +b\n/);
});

test("what cannot be compared is named", async () => {
  const { folder, model, write } = await openWorkspace();
  expect(await tptt(["compare", model])).toMatchObject({
    code: 2,
    stderr: `tptt: ${model}: is neither a saved titan's folder nor that of a training run\n`,
  });
  await write("metrics.jsonl", '{"step":1,"loss":2}\n');
  expect((await tptt(["compare", folder, folder])).stderr).toContain("is given twice");
  expect((await tptt(["compare", folder])).stdout).toMatch(/training loss +2\n/);
  expect((await tptt(["compare", folder, "--out", join(folder, "none/a.md")])).stderr).toContain(
    "none/a.md: cannot be written: its folder does not exist",
  );
  const empty = await write("prompts.txt", "\n");
  expect((await tptt(["compare", folder, "--prompts", empty])).stderr).toContain(
    "prompts.txt: has no prompt, expected one a line",
  );
});
