import { join } from "node:path";
import OpenAI from "openai";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { RunningBatch } from "../../../src/serve/running-batch.js";
import { startServer } from "../../../src/serve/server.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { openWorkspace, tptt, type Workspace } from "../workspace.js";

/** Starts the command, does something with its server, and interrupts it. */
async function whileServing(args: readonly string[], use: (url: string) => Promise<void>) {
  let failure: unknown;
  const port = args.includes("--port") ? [] : ["--port", "0"];
  const outcome = await tptt(["serve", "--json", ...port, ...args], (text, interrupt) => {
    const { event, url } = JSON.parse(text) as { event: string; url: string };
    if (event !== "listening") return;
    use(url)
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(interrupt);
  });
  if (failure) throw failure;
  return outcome;
}

/** A titan over the workspace's base model; gives its folder. */
async function saveTitan({ model, folder }: Workspace, name: string, seed: number): Promise<string> {
  const titan = await TpttModel.fromPretrained(model, {
    operatorMode: "delta_rule",
    magWeight: 0.8,
    loraConfig: { r: 2 },
    seed,
  });
  await titan.savePretrained(join(folder, name));
  await titan.dispose();
  return join(folder, name);
}

test("a base model and titans over it are served until an interruption", async () => {
  const workspace = await openWorkspace();
  const template = await workspace.write("template.jinja", "{{ messages[0].content }}");
  const titan = await saveTitan(workspace, "titan", 1);
  const adapters = [
    "--adapter",
    `one=${titan}`,
    "--adapter",
    `two=${await saveTitan(workspace, "other", 2)}`,
  ];
  const args = ["--model", workspace.model, ...adapters, "--chat-template", template];
  const outcome = await whileServing(args, async (url) => {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["base", "one", "two"]);
    const alone = await TpttModel.fromPretrained(titan);
    const asked = { model: "one", prompt: "a", temperature: 0, max_tokens: 8 };
    const { choices } = await client.completions.create(asked);
    expect(choices[0]!.text).toBe(await alone.generate({ prompt: "a", maxNewTokens: 8 }));
    await alone.dispose();
    const messages = [{ role: "user" as const, content: "a" }];
    const chat = await client.chat.completions.create({ model: "base", messages, max_tokens: 3 });
    expect(chat.usage!.completion_tokens).toBeLessThanOrEqual(3);
  });
  expect(outcome.code).toBe(0);
  const events = outcome.events();
  expect(events[0]).toMatchObject({ event: "listening", models: "base, one, two" });
  expect(events).toContainEqual(
    expect.objectContaining({ event: "request", method: "POST", path: "/v1/completions", status: 200 }),
  );
  expect(events.at(-1)).toEqual({ event: "done" });
});

describe("a key", () => {
  const key = "k-123456";

  test.each(["a file", "the environment"])("comes from %s, and is never printed", async (place) => {
    const { model, write } = await openWorkspace();
    if (place === "the environment") vi.stubEnv("TPTT_API_KEY", key);
    const file = place === "a file" ? ["--api-key-file", await write("key", `${key}\n`)] : [];
    const outcome = await whileServing(["--model", model, ...file], async (url) => {
      const status = async (given: string) =>
        (await fetch(`${url}/v1/models`, { headers: { Authorization: `Bearer ${given}` } })).status;
      expect([await status(key), await status("other")]).toEqual([200, 401]);
    });
    vi.unstubAllEnvs();
    expect(outcome.stdout + outcome.stderr).not.toContain(key);
  });

  test("that no header can have is refused", async () => {
    const { model, write } = await openWorkspace();
    const file = await write("key", "two words");
    const outcome = await tptt(["serve", "--model", model, "--api-key-file", file]);
    expect(outcome).toMatchObject({
      code: 2,
      stderr: `tptt: ${file}: holds no key that a header can have, expected printable ASCII without spaces\n`,
    });
  });
});

test("an address that others reach is remarked on when there is no key", async () => {
  const { model } = await openWorkspace();
  const outcome = await whileServing(["--model", model, "--host", "0.0.0.0"], async () => {});
  expect(outcome.stderr).toContain("anybody who reaches this address can use it: there is no API key");
});

test("a port that is taken is told before a model is opened", async () => {
  const { folder } = await openWorkspace();
  const server = await startServer({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const { port } = new URL(server.url);
  expect(await tptt(["serve", "--model", join(folder, "none"), "--port", port])).toMatchObject({
    code: 2,
    stderr: `tptt: port: is ${port}, which is taken; choose another, or 0 for any that is free\n`,
  });
});

test("a server is healthy once all graphs are made, and not before", async () => {
  const workspace = await openWorkspace();
  const titan = await saveTitan(workspace, "titan", 1);
  const probe = await startServer({ host: "127.0.0.1", port: 0 });
  await probe.close(0);
  const health = async (url: string) => (await fetch(`${url}/health`)).status;
  const seen: number[] = [];
  const prepare = vi.spyOn(RunningBatch, "prepare").mockImplementation(async () => {
    seen.push(await health(probe.url));
  });
  onTestFinished(() => prepare.mockRestore());
  const args = ["--model", workspace.model, "--adapter", `one=${titan}`, "--port", new URL(probe.url).port];
  await whileServing(args, async (url) => {
    expect(url).toBe(probe.url);
    seen.push(await health(url));
  });
  expect(seen).toEqual([503, 503, 200]);
});

test("adapters that cannot be served over the base model are refused", async () => {
  const workspace = await openWorkspace();
  const titan = await saveTitan(workspace, "titan", 1);
  const other = await openWorkspace("gemma3");
  const foreign = await saveTitan(other, "titan", 1);
  const serve = (...args: string[]) => tptt(["serve", "--model", workspace.model, ...args]);
  for (const [args, problem] of [
    [["--adapter", titan], "--adapter: 0: is "],
    [["--adapter", `base=${titan}`], "--adapter: base names two models"],
    [["--adapter", `x=${workspace.model}`], `${workspace.model}: is no folder of a saved titan`],
    [
      ["--adapter", `x=${foreign}`],
      `${foreign}: base_model_name: is ${other.model}, but the model in use is over`,
    ],
    [["--adapter", `x=${join(workspace.folder, "none")}`], `${join(workspace.folder, "none")}: is no folder`],
  ] as const) {
    const outcome = await serve(...args);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain(problem);
  }
});

test("a model that writes by diffusion is refused", async () => {
  const { model } = await openWorkspace("dream");
  const outcome = await tptt(["serve", "--model", model]);
  expect(outcome).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("whose tokens see those after them"),
  });
});
