import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { templates } from "../../data/templates.js";
import { openWorkspace, problems, tptt } from "../workspace.js";

test("data are shown: counts, lengths, what is cut off, and three records with what is learnt of them", async () => {
  const { model, write } = await openWorkspace();
  const long = JSON.stringify({ instruction: "long?", output: "x".repeat(100) });
  const path = await write("data.jsonl", `${problems}\n${long}`);
  const command = ["data", path, "--model", model, "--max-length", "40", "--mask-prompt"];
  const { code, stdout, stderr } = await tptt(command);
  expect(code).toBe(0);
  expect(stderr).toContain("step 11/11");
  expect(stdout).toContain("11 records\n");
  expect(stdout).toContain("longer than 40 tokens: 1 (9.1 %), which loses 68 tokens");
  expect(stdout).toMatch(/shortest 27, median 28, mean 35, 95 % up to 108, longest 108/);
  expect(stdout.match(/^\s*\d+-\d+ │/gm)!.length).toBeGreaterThan(5);
  expect(stdout.match(/^record \d+, \d+ tokens/gm)).toHaveLength(3);
  expect(stdout).toMatch(/what is (\d) and \1\?\n⟦it is \d+\.<\/s>⟧/);

  const { events } = await tptt([...command, "--json"]);
  const [done] = events();
  expect(events()).toHaveLength(1);
  expect(done).toMatchObject({
    event: "done",
    records: 11,
    malformed: 0,
    truncated: 1,
    tokens_cut_off: 68,
    max_length: 40,
    lengths: { shortest: 27, median: 28, longest: 108 },
  });
  const { samples } = done as { samples: { pieces: { text: string; learnt: boolean }[] }[] };
  expect(samples).toHaveLength(3);
  expect(samples[0]!.pieces.map(({ learnt }) => learnt)).toEqual([false, true]);
});

test("several files, malformed rows and columns of other names", async () => {
  const { model, write } = await openWorkspace();
  const one = await write("one.csv", "question,answer\nwhat?,that\nbroken\n");
  const two = await write("two.jsonl", '{"question": "who?", "answer": "me"}');
  const command = ["data", one, two, "--model", model, "--columns", "instruction=question, output=answer"];
  expect(await tptt(command)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/one\.csv:3: has 1 fields, the header has 2/),
  });
  const { stdout, stderr } = await tptt([...command, "--skip-malformed"]);
  expect(stderr).toMatch(/left out: .*one\.csv:3: has 1 fields/);
  expect(stdout).toContain("2 records, 1 malformed rows left out");
  const config = await write(
    "data.yaml",
    `model: ${model}\ndataset: [${two}, ${two}]\ncolumns: {instruction: question, output: answer}\n`,
  );
  expect((await tptt(["data", "--config", config])).stdout).toContain("2 records\n");
  expect(await tptt(["data", one, "--model", model, "--columns", "question"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--columns: "),
  });
});

test("conversations are rendered by the model's own template, or one that is given", async () => {
  const { model, write } = await openWorkspace();
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "hello" },
  ];
  const path = await write("chat.jsonl", JSON.stringify({ messages }));
  const command = ["data", path, "--model", model];
  expect(await tptt(command)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("chat_template: is not in the model's tokenizer_config.json"),
  });
  const given = await write("zephyr.jinja", templates.zephyr);
  const { stdout } = await tptt([...command, "--chat-template", given]);
  expect(stdout).toContain(">\nhi</s>\n<<unk>assistant<unk>>\n⟦hello</s>\n⟧");
  await writeFile(join(model, "chat_template.jinja"), templates.mistral);
  expect((await tptt(command)).stdout).toContain("[INST] hi [/INST]⟦hello</s>⟧");
});

test("a text is told in pieces, and without a file there is nothing to show", async () => {
  const { model, write } = await openWorkspace();
  const text = await write("text.txt", "once upon a time ".repeat(12));
  const { stdout } = await tptt(["data", text, "--model", model]);
  expect(stdout).toContain("1 pieces of text\n206 tokens, 205 of them predicted\n");
  expect(stdout).toContain("texts are cut into windows of 128 tokens, and nothing is lost");
  expect(await tptt(["data", "--model", model])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--dataset: is missing"),
  });
});
