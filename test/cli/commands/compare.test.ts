import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openWorkspace, problems, tptt } from "../workspace.js";

test("runs stand side by side: figures, evaluations, options that differ, the same prompts", async () => {
  const { folder, model, write } = await openWorkspace();
  const dataset = await write("data.jsonl", problems);
  const train = (name: string, ...more: string[]) =>
    tptt([
      ...["train", "--model", model, "--dataset", dataset, "--output", join(folder, name)],
      ...["--batch-size", "2", "--max-steps", "3", "--eval-samples", "2", ...more],
    ]);
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  expect(await train("one")).toMatchObject({ code: 0 });
  expect(await train("two", "--operator-mode", "delta_product", "--learning-rate", "0.01")).toMatchObject({
    code: 0,
  });
  const evaluated = await tptt(["eval", "--model", two, "--data", dataset, "--out", two]);
  expect(evaluated).toMatchObject({ code: 0 });

  const out = join(folder, "compared.md");
  const prompts = ["--prompts", "What is", "--prompts", "a|b", "--max-new-tokens", "5"];
  const result = await tptt(["compare", one, two, ...prompts, "--out", out, "--json"]);
  const compared = result.events().at(-1)!;
  expect(compared).toMatchObject({ event: "done", runs: ["one", "two"], out });
  const row = (table: "measured" | "option" | "prompt", name: string) =>
    (compared[table] as { name: string; cells: unknown[] }[]).find((row) => row.name === name)?.cells;

  const metrics = async (run: string) =>
    (await readFile(join(run, "metrics.jsonl"), "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
  const lines = [await metrics(one), await metrics(two)];
  const lasts = (name: string) => lines.map((of) => of.filter((line) => name in line).at(-1)![name]);
  expect(row("measured", "steps")).toEqual([3, 3]);
  expect(row("measured", "loss")).toEqual(lasts("loss"));
  expect(row("measured", "held-out loss")).toEqual(lasts("eval_loss"));
  const speeds = lines.map(
    (of) => of.flatMap((line) => line.tokens_per_second ?? []).sort((a, b) => a - b)[1],
  );
  expect(row("measured", "tokens/s")).toEqual(speeds);
  const saved = JSON.parse(await readFile(join(two, "eval-perplexity.json"), "utf8"));
  expect(row("measured", "perplexity: loss")).toEqual([null, saved.metrics[0].value]);

  expect(row("option", "learning_rate")).toEqual(["0.0005", "0.01"]);
  expect(row("option", "operator_mode")).toEqual(["delta_rule", "delta_product"]);
  expect(row("option", "batch_size")).toBeUndefined();

  const written = async (run: string, prompt: string) =>
    (await tptt(["generate", "--model", run, "--prompt", prompt, "--max-new-tokens", "5"])).stdout;
  expect(row("prompt", "What is")).toEqual([await written(one, "What is"), await written(two, "What is")]);
  expect(row("prompt", "a|b")).toEqual([await written(one, "a|b"), await written(two, "a|b")]);

  const markdown = await readFile(out, "utf8");
  expect(markdown).toContain("| measured | one | two |\n| --- | --- | --- |\n| steps | 3 | 3 |");
  expect(markdown).toContain("| learning_rate | 0.0005 | 0.01 |");
  expect(markdown).toMatch(/\n\| a\\\|b \| /);
  const shown = await tptt(["compare", one, two]);
  expect(shown.stdout).toMatch(/measured +one +two\n {2}steps +3 +3\n/);
  expect(shown.stdout).not.toContain("What is");
});

test("what cannot be compared is named", async () => {
  const { folder, write } = await openWorkspace();
  const file = await write("notes.txt", "");
  const compare = async (...runs: string[]) => {
    const { code, stderr } = await tptt(["compare", ...runs]);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await compare(file)).toContain(`${file}: is no folder; give that of a training run`);
  expect(await compare(join(folder, "absent"))).toContain(`${join(folder, "absent")}: is no folder`);
  expect(await compare(folder)).toContain(`${folder}: has neither config.json nor metrics.jsonl`);
  expect(await compare(folder, folder)).toContain(`${folder}: is given twice`);
});
