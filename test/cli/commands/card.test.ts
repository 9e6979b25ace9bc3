import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readFrontMatter } from "../../../src/io/front-matter.js";
import { hubMetadata } from "../../tptt/files/hub-metadata.js";
import { openWorkspace, problems, tptt } from "../workspace.js";

test("a card has the license of the base model, and is written again with evaluations", async () => {
  const { folder, model, write } = await openWorkspace();
  await write("base/README.md", "---\nlicense: llama3.2\n---\n# Base\n");
  const dataset = await write("data.jsonl", problems);
  const titan = join(folder, "titan");
  const run = ["train", "--model", model, "--dataset", dataset, "--output", titan, "--max-steps", "1"];
  expect(await tptt(run)).toMatchObject({ code: 0 });
  const card = async () => {
    const text = await readFile(join(titan, "README.md"), "utf8");
    return { text, metadata: hubMetadata.parse(readFrontMatter(text)) };
  };
  const before = await card();
  expect(before.metadata).toMatchObject({ license: "llama3.2" });
  expect(before.metadata).not.toHaveProperty("model-index");

  const task = ["--task", "perplexity", "--samples", "3", "--batch-size", "1", "--out", titan];
  expect(await tptt(["eval", "--model", titan, "--data", dataset, ...task])).toMatchObject({ code: 0 });
  const again = await tptt(["card", "--model", titan]);
  expect(again).toMatchObject({ code: 0, stdout: "", stderr: `tptt: wrote ${join(titan, "README.md")}\n` });
  const after = await card();
  expect(after.text).toMatch(
    /\n\| perplexity \| data\.jsonl \| 0\.005 \| perplexity \| [\d.]+ \| [\d.]+ to [\d.]+ \| \d+ \|\n/,
  );
  expect(after.metadata["model-index"]![0]!.results).toMatchObject([
    { task: { name: "perplexity" }, dataset: { type: "json", name: "data.jsonl" } },
  ]);
  expect(after.metadata.license).toBe("llama3.2");

  // What was measured of other weights is not this titan's.
  await cp(titan, join(folder, "further"), { recursive: true });
  const further = ["train", "--model", titan, "--dataset", dataset, "--output", join(folder, "more")];
  expect(await tptt([...further, "--max-steps", "1"])).toMatchObject({ code: 0 });
  const weights = "adapter_model.safetensors";
  await cp(join(folder, "more", weights), join(folder, "further", weights));
  expect(await tptt(["card", "--model", join(folder, "further")])).toMatchObject({ code: 0 });
  const moved = await readFile(join(folder, "further/README.md"), "utf8");
  expect(moved).not.toContain("| perplexity |");
  expect(moved).toContain("training loss per token");

  const template = await write("mine.md", "{{ model_id }}, {{ license }}");
  const own = await tptt(["card", "--model", titan, "--card-template", template, "--json"]);
  expect(own.events()).toEqual([{ event: "done", out: join(titan, "README.md") }]);
  expect(await readFile(join(titan, "README.md"), "utf8")).toBe("titan, llama3.2");
});

test("a folder that is no titan's gets no card", async () => {
  const { folder, model } = await openWorkspace();
  const { code, stderr } = await tptt(["card", "--model", model]);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `tptt: ${join(model, "config.json")}: is no titan's; give the folder of a saved titan\n`,
  });
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "empty/README.md"), "mine");
  expect((await tptt(["card", "--model", join(folder, "empty")])).stderr).toContain("empty: is no titan's");
  expect(await readFile(join(folder, "empty/README.md"), "utf8")).toBe("mine");
});
