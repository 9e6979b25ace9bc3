import { expect, test } from "vitest";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { openWorkspace, tptt } from "../workspace.js";

test("an untouched base model is used as it is, and a mu turns its memory on", async () => {
  const { model } = await openWorkspace("gemma3");
  const command = ["generate", "--model", model, "--prompt", "The", "--max-new-tokens", "12"];
  const base = await TpttModel.fromPretrained(model, { disableLinearAttn: true });
  const expected = await base.generate({ prompt: "The", maxNewTokens: 12 });
  await base.dispose();

  const plain = await tptt(command);
  expect(plain).toMatchObject({ code: 0, stdout: expected });
  expect(plain.stderr).toMatch(/^done tokens 12 tokens\/s \d+.* mag weight 0\n$/);

  const events = (await tptt([...command, "--json"])).events();
  const pieces = events.slice(0, -1);
  expect(pieces.every(({ event }) => event === "text")).toBe(true);
  expect(pieces.map(({ text }) => text).join("")).toBe(expected);
  expect(events.at(-1)).toMatchObject({ event: "done", text: expected, tokens: 12, mag_weight: 0 });

  const memory = (await tptt([...command, "--mag-weight", "1", "--json"])).events().at(-1);
  expect(memory).toMatchObject({ event: "done", mag_weight: 1 });
  expect(memory?.text).not.toBe(expected);
});

test("a base model that is rounded writes another text", async () => {
  const { model } = await openWorkspace("gemma3");
  const command = ["generate", "--model", model, "--prompt", "In the", "--max-new-tokens", "40"];
  const texts = ["none", "gguf", "int4"].map(
    async (quantize) => (await tptt([...command, "--quantize", quantize])).stdout,
  );
  const [none, gguf, int4] = await Promise.all(texts);
  expect(gguf).toBe(none);
  expect(int4).not.toBe(none);
  expect(await tptt([...command, "--quantize", "int3"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^tptt: --quantize: .*"none"|"gguf"|"int8"|"int4"/),
  });
});

test("a seed fixes what is drawn", async () => {
  const { model } = await openWorkspace();
  const draw = async (...options: string[]) =>
    (await tptt(["generate", "--model", model, "--prompt", "a", "--max-new-tokens", "8", ...options])).stdout;
  const hot = ["--temperature", "2", "--top-k", "50", "--top-p", "0.95"];
  const first = await draw(...hot, "--seed", "1");
  expect(await draw(...hot, "--seed", "1")).toBe(first);
  expect(await draw(...hot, "--seed", "2")).not.toBe(first);
});

test("a model that writes by diffusion takes its steps and its algorithm", async () => {
  const { model } = await openWorkspace("dream");
  const command = ["generate", "--model", model, "--prompt", "The", "--max-new-tokens", "9", "--json"];
  const base = await TpttModel.fromPretrained(model, { disableLinearAttn: true });
  const options = { prompt: "The", maxNewTokens: 9, steps: 2, alg: "maskgit_plus" } as const;
  const expected = await base.generate(options);
  expect(await base.generate({ ...options, steps: 9 })).not.toBe(expected);
  await base.dispose();

  const done = (await tptt([...command, "--steps", "2", "--alg", "maskgit_plus"])).events().at(-1);
  expect(done).toMatchObject({ event: "done", text: expected });
  expect(done).not.toHaveProperty("tokens_per_second");
});

test.each([
  [
    ["--prompt", "a", "--steps", "3"],
    "steps: is 3, which is for models that write by diffusion; this one writes in order: leave it out",
  ],
  [["--prompt", "a".repeat(128)], "prompt: has 129 tokens, the model knows positions up to 128; shorten it"],
  [
    ["--prompt", "abc", "--max-new-tokens", "126"],
    "max_new_tokens: is 126, the prompt's 4 tokens leave 125 of the model's 128 positions; shorten it",
  ],
  [["--prompt", "a", "--top-p", "0"], "--top-p: is 0; Too small: expected number to be >0"],
  [[], "--prompt: is missing; give the text to go on from"],
])("%# impossible options are refused", async (options, problem) => {
  const { model } = await openWorkspace();
  const outcome = await tptt(["generate", "--model", model, ...options]);
  expect(outcome).toMatchObject({ code: 2, stdout: "", stderr: `tptt: ${problem}\n` });
});
