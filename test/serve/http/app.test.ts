import { request as httpRequest } from "node:http";
import { join } from "node:path";
import OpenAI from "openai";
import { describe, expect, onTestFinished, test } from "vitest";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { temporaryFolder } from "../../models/fixture.js";
import { openTalker, saveSibling, serveModels } from "../serving.js";

const clientOf = (url: string, apiKey = "none") =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

const greedy = { temperature: 0, max_tokens: 12 };

/** What the model writes after a conversation. */
const answerTo = (model: TpttModel, content: string, maxNewTokens: number) => {
  const { chatTemplate } = model.requireTokenizer();
  const prompt = chatTemplate!.render([{ role: "user", content }], { addGenerationPrompt: true });
  // The tiny tokenizer puts <s> before a text, as the template does.
  return model.generate({ prompt: prompt.replace(/^<s>/, ""), maxNewTokens });
};

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const post = (url: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

describe("with OpenAI's own client", () => {
  test("models are listed", async () => {
    const model = await openTalker();
    const client = clientOf((await serveModels({ tiny: model, "a/b": model })).url);
    const { data } = await client.models.list();
    expect(data.map(({ id, object, owned_by }) => [id, object, owned_by])).toEqual([
      ["tiny", "model", "tptt"],
      ["a/b", "model", "tptt"],
    ]);
    expect((await client.models.retrieve("a/b")).id).toBe("a/b");
    await expect(client.models.retrieve("other")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("a completion has the model's text, why it ended, and what it took", async () => {
    const model = await openTalker();
    const client = clientOf((await serveModels({ tiny: model })).url);
    const expected = await model.generate({ prompt: "What", maxNewTokens: 12 });
    const completion = await client.completions.create({ model: "tiny", prompt: "What", ...greedy });
    expect(completion).toMatchObject({
      object: "text_completion",
      model: "tiny",
      choices: [{ index: 0, text: expected, finish_reason: "length", logprobs: null }],
      usage: { prompt_tokens: 5, completion_tokens: 12, total_tokens: 17 },
    });
    expect(completion.id).toMatch(/^cmpl-/);
    const { choices } = await client.completions.create({ model: "tiny", prompt: "What", temperature: 0 });
    expect(choices[0]!.text).toBe(await model.generate({ prompt: "What", maxNewTokens: 16 }));
  });

  test("several prompts, as texts or tokens, give a choice each", async () => {
    const model = await openTalker();
    const client = clientOf((await serveModels({ tiny: model })).url);
    const prompts = ["one", "two 2", "three"];
    const expected = await Promise.all(prompts.map((prompt) => model.generate({ prompt, maxNewTokens: 12 })));
    const tokens = prompts.map((prompt) => model.requireTokenizer().encode(prompt));
    for (const prompt of [prompts, tokens]) {
      const { choices, usage } = await client.completions.create({ model: "tiny", prompt, ...greedy });
      expect(choices.map(({ text }) => text)).toEqual(expected);
      expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
      expect(usage).toMatchObject({ prompt_tokens: 4 + 6 + 6, completion_tokens: 36 });
    }
    const stream = await client.completions.create({
      model: "tiny",
      prompt: prompts,
      ...greedy,
      stream: true,
    });
    const texts = ["", "", ""];
    for await (const { choices } of stream) texts[choices[0]!.index] += choices[0]!.text;
    expect(texts).toEqual(expected);
  });

  test("a stop string ends a text and is not in it, streamed or not", async () => {
    const model = await openTalker();
    const client = clientOf((await serveModels({ tiny: model })).url);
    const whole = await model.generate({ prompt: "What", maxNewTokens: 12 });
    const stop = whole.slice(5, 8);
    const expected = whole.slice(0, whole.indexOf(stop));
    const asked = { model: "tiny", prompt: "What", ...greedy, stop: ["\u0001", stop] };
    const { choices } = await client.completions.create(asked);
    expect(choices[0]).toMatchObject({ text: expected, finish_reason: "stop" });
    let text = "";
    let reason: string | null = null;
    for await (const { choices } of await client.completions.create({ ...asked, stream: true })) {
      text += choices[0]!.text;
      reason = choices[0]!.finish_reason;
    }
    expect({ text, reason }).toEqual({ text: expected, reason: "stop" });
  });

  test("a chat goes through the model's template, streamed too, with the usage when it is asked for", async () => {
    const model = await openTalker();
    const client = clientOf((await serveModels({ tiny: model })).url);
    const expected = await answerTo(model, "Hi there", 12);
    const asked = {
      model: "tiny",
      messages: [{ role: "user" as const, content: "Hi there" }],
      temperature: 0,
      max_completion_tokens: 12,
    };
    const chat = await client.chat.completions.create(asked);
    expect(chat).toMatchObject({
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content: expected }, finish_reason: "length" }],
      usage: { completion_tokens: 12 },
    });
    const parts = [
      { type: "text" as const, text: "Hi " },
      { type: "text" as const, text: "there" },
    ];
    const inParts = { ...asked, messages: [{ role: "user" as const, content: parts }] };
    expect((await client.chat.completions.create(inParts)).choices[0]!.message.content).toBe(expected);

    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    expect(chunks[0]!.choices[0]!.delta).toEqual({ role: "assistant", content: "" });
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(expected);
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe("length");
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: chat.usage });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  test("a chat ends where the template ends a turn, whatever else ends a text", async () => {
    const model = await openTalker();
    const tokenizer = model.requireTokenizer();
    tokenizer.useChatTemplate("{% for m in messages %}{{ m.content }}</s>{% endfor %}", "test");
    const client = clientOf((await serveModels({ tiny: model })).url);
    const asked = { model: "tiny", temperature: 2, max_tokens: 400, seed: 1 };
    const messages = [{ role: "user" as const, content: "a" }];
    const chat = await client.chat.completions.create({ ...asked, messages });
    const prompt = tokenizer.encode("a</s>", { addSpecialTokens: false });
    const completion = await client.completions.create({ ...asked, prompt });
    expect(chat.choices[0]!.finish_reason).toBe("stop");
    expect(completion.choices[0]!.finish_reason).toBe("length");
    const [ended, whole] = [chat.choices[0]!.message.content!, completion.choices[0]!.text];
    expect(whole.startsWith(ended)).toBe(true);
    expect(ended.length).toBeLessThan(whole.length);
  });

  test("a seed fixes the draws, and without one they differ", async () => {
    const client = clientOf((await serveModels({ tiny: await openTalker() })).url);
    const draw = async (seed?: number) =>
      (
        await client.completions.create({
          model: "tiny",
          prompt: "a",
          max_tokens: 24,
          ...(seed === undefined ? {} : { seed }),
        })
      ).choices[0]!.text;
    expect(await draw(7)).toBe(await draw(7));
    expect(await draw(7)).not.toBe(await draw(8));
    expect(await draw()).not.toBe(await draw());
  });

  test("requests at the same time get what they get alone", async () => {
    const model = await openTalker();
    const client = clientOf((await serveModels({ tiny: model })).url);
    const prompts = Array.from({ length: 12 }, (_, i) => `${i} and ${"x".repeat(i * 3)}`);
    const expected: string[] = [];
    for (const prompt of prompts) expected.push(await model.generate({ prompt, maxNewTokens: 12 }));
    const completions = await Promise.all(
      prompts.map((prompt) => client.completions.create({ model: "tiny", prompt, ...greedy })),
    );
    expect(completions.map(({ choices }) => choices[0]!.text)).toEqual(expected);
  });

  test("a client that leaves a stream ends its text", async () => {
    const model = await openTalker();
    const { url, scheduler } = await serveModels({ tiny: model }, { maxBatchSize: 1 });
    const client = clientOf(url);
    const asked = { model: "tiny", prompt: "a", temperature: 0, max_tokens: 1000 };
    const stream = await client.completions.create({ ...asked, stream: true });
    for await (const chunk of stream) {
      expect(chunk.choices[0]!.index).toBe(0);
      break;
    }
    // There is room for one text: this one comes after the other has gone.
    const { choices } = await client.completions.create({ ...asked, max_tokens: 5 });
    expect(choices[0]!.text).toBe(await model.generate({ prompt: "a", maxNewTokens: 5 }));
    const abort = new AbortController();
    const waiting = client.completions.create(asked, { signal: abort.signal });
    while (scheduler.running === 0) await new Promise(setImmediate);
    abort.abort();
    await expect(waiting).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    while (scheduler.running > 0) await new Promise(setImmediate);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('tptt_texts_total{model="tiny",outcome="cancelled"} 2\n');
  });

  test("more requests than may wait are refused with the time to come back", async () => {
    const { url } = await serveModels({ tiny: await openTalker() }, { maxBatchSize: 1, maxQueueLength: 1 });
    const client = clientOf(url);
    const asked = { model: "tiny", prompt: "a", max_tokens: 60 };
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, () => client.completions.create(asked)),
    );
    const refused = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(6);
    for (const error of refused) {
      expect(error).toBeInstanceOf(OpenAI.RateLimitError);
      expect(Number(error.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(error.code).toBe("rate_limit_exceeded");
    }
    const patient = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 5 });
    const all = await Promise.all([asked, asked, asked].map((body) => patient.completions.create(body)));
    expect(all).toHaveLength(3);
  });

  test("a request that takes too long fails, streamed or not", async () => {
    const { url } = await serveModels({ tiny: await openTalker() }, { timeout: 0.05 });
    const client = clientOf(url);
    const asked = { model: "tiny", prompt: "a", max_tokens: 1000 };
    const late = client.completions.create(asked);
    await expect(late).rejects.toMatchObject({ status: 504, code: "timeout" });
    const reading = client.completions.create({ ...asked, stream: true }).then(collect);
    await expect(reading).rejects.toThrow("The request took too long.");
  });

  test("a key is asked for where there is one, but for the health", async () => {
    const { url } = await serveModels({ tiny: await openTalker() }, { apiKey: "s3cret-key" });
    expect((await clientOf(url, "s3cret-key").models.list()).data).toHaveLength(1);
    for (const wrong of ["s3cret-kex", "s3cret-key2", "x"]) {
      const listing = clientOf(url, wrong).models.list();
      await expect(listing).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
    }
    const statuses = ["/health", "/metrics", "/v1/models", "/v1/completions", "/other"].map(
      async (path) => (await fetch(url + path)).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 401, 401, 401, 401]);
  });

  test("adapters over one base are chosen by name, and write what each writes when it is loaded by itself", async () => {
    const model = await openTalker();
    const folder = await temporaryFolder();
    const variants = {
      alike: {},
      "alike-2": {},
      wider: { loraConfig: { r: 4 } },
      "other-memory": { operatorMode: "delta_product" as const, magWeight: 0.7 },
      "no-memory": { disableLinearAttn: true },
    };
    const models: Record<string, TpttModel> = { base: model };
    const expected: Record<string, string> = {
      base: await model.generate({ prompt: "What", maxNewTokens: 12 }),
    };
    for (const [i, [name, options]] of Object.entries(variants).entries()) {
      const path = await saveSibling(model, join(folder, name), i + 1, options);
      const alone = await TpttModel.fromPretrained(path);
      expected[name] = await alone.generate({ prompt: "What", maxNewTokens: 12 });
      await alone.dispose();
      models[name] = await model.openAdapter(path);
    }
    expect(new Set(Object.values(expected)).size).toBe(6);
    const client = clientOf((await serveModels(models)).url);
    const names = [...Object.keys(models), ...Object.keys(models)];
    const completions = await Promise.all(
      names.map((name) => client.completions.create({ model: name, prompt: "What", ...greedy })),
    );
    expect(completions.map(({ choices }) => choices[0]!.text)).toEqual(names.map((name) => expected[name]));
  });
});

describe("what is refused", () => {
  const completion = { model: "tiny", prompt: "a" };
  const chat = { model: "tiny", messages: [{ role: "user", content: "a" }] };
  test.each([
    ["/v1/completions", "{", 400, null, "the body: is not JSON"],
    ["/v1/completions", [], 400, null, "the body: "],
    ["/v1/completions", { model: "tiny" }, 400, "prompt", "prompt: expected a text, token ids, or a list"],
    [
      "/v1/completions",
      { ...completion, model: "big" },
      404,
      "model",
      "There is no model big; there are tiny.",
    ],
    ["/v1/completions", { ...completion, n: 2 }, 400, "n", "n: only 1 is supported"],
    ["/v1/completions", { ...completion, logprobs: 1 }, 400, "logprobs", "logprobs: are not supported"],
    ["/v1/completions", { ...completion, temperature: -1 }, 400, "temperature", "temperature: Too small"],
    ["/v1/completions", { ...completion, top_p: 0 }, 400, "top_p", "top_p: Too small"],
    ["/v1/completions", { ...completion, max_tokens: 0 }, 400, "max_tokens", "max_tokens: Too small"],
    ["/v1/completions", { ...completion, prompt: [4, 96] }, 400, "prompt", "prompt: has the token 96"],
    [
      "/v1/completions",
      { ...completion, prompt: "x".repeat(1024) },
      400,
      "prompt",
      "The longest text is 1024",
    ],
    ["/v1/completions", { ...completion, max_tokens: 1024 }, 400, "max_tokens", "The longest text is 1024"],
    ["/v1/completions", { ...completion, mirostat: 2 }, 400, "mirostat", "mirostat: is not a field"],
    ["/v1/chat/completions", { ...chat, tools: [] }, 400, "tools", "tools: is not a field"],
    ["/v1/chat/completions", { ...chat, messages: [] }, 400, "messages", "messages: Too small"],
    [
      "/v1/chat/completions",
      { model: "tiny", messages: [{ role: "x", content: "" }] },
      400,
      "messages.0.role",
      "",
    ],
    ["/v1/nothing", {}, 404, null, "There is no POST /v1/nothing."],
    [
      "/v1/completions",
      { ...completion, prompt: "x".repeat(70_000) },
      413,
      null,
      "is larger than 65536 bytes",
    ],
  ])("%s %j: %d", async (path, body, status, param, message) => {
    const { url } = await serveModels({ tiny: await openTalker() });
    const response = await post(url, path, body);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(error).toMatchObject({ type: "invalid_request_error", param });
    expect(error.message).toContain(message);
  });

  test("a type that a web page may send without being asked for leave", async () => {
    const { url } = await serveModels({ tiny: await openTalker() });
    const response = await post(url, "/v1/completions", completion, { "Content-Type": "text/plain" });
    expect(response.status).toBe(415);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a chat without a template", async () => {
    const model = await openTalker();
    Object.defineProperty(model.requireTokenizer(), "chatTemplate", { value: undefined });
    const { url } = await serveModels({ tiny: model });
    const response = await post(url, "/v1/chat/completions", chat);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "no_chat_template" } });
  });

  test("an error of ours tells nothing of the inside", async () => {
    const broken = await openTalker();
    broken.params = {};
    const told: unknown[] = [];
    const { url } = await serveModels({ tiny: broken }, { onError: (error) => told.push(error) });
    const response = await post(url, "/v1/completions", completion);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({
      error: {
        message: "Something went wrong inside the server.",
        type: "server_error",
        param: null,
        code: null,
      },
    });
    expect(String(told[0])).toContain("expected a tensor for the parameter");
  });
});

test("a body of no declared length is taken, and measured too", async () => {
  const { url } = await serveModels({ tiny: await openTalker() });
  const send = (method: string, path: string, pieces: readonly (string | Uint8Array)[]) =>
    new Promise<[status: number | undefined, text: string]>((resolve, reject) => {
      const headers = { "Content-Type": "application/json", "Transfer-Encoding": "chunked" };
      const sending = httpRequest(url + path, { method, headers });
      sending.on("error", reject).on("response", async (response) => {
        let text = "";
        for await (const piece of response) text += piece;
        resolve([response.statusCode, text]);
      });
      for (const piece of pieces) sending.write(piece);
      sending.end();
    });
  const body = Buffer.from(JSON.stringify({ model: "tiny", prompt: "a", user: "\u00e4" }));
  // A letter of two bytes is cut in two.
  const pieces = [...body].map((_, i) => body.subarray(i, i + 1));
  const [status, text] = await send("POST", "/v1/completions", pieces);
  expect({ status, text }).toMatchObject({ status: 200, text: expect.stringContaining('"choices"') });
  expect(await send("POST", "/v1/completions", Array(10).fill("x".repeat(10_000)))).toEqual([
    413,
    expect.stringContaining("The request is larger than 65536 bytes."),
  ]);
  expect(await send("DELETE", "/v1/models", [])).toEqual([
    404,
    expect.stringContaining("There is no DELETE"),
  ]);
});

test.each([{ "Content-Length": "100" }, { "Transfer-Encoding": "chunked" }])(
  "a client that leaves within its body is no error of ours: %j",
  async (length) => {
    const statuses: number[] = [];
    const onAnswer = ({ status }: { status: number }) => statuses.push(status);
    const { url } = await serveModels({ tiny: await openTalker() }, { onAnswer });
    const headers = { "Content-Type": "application/json", ...length };
    const sending = httpRequest(`${url}/v1/completions`, { method: "POST", headers });
    sending.on("error", () => {});
    sending.write('{"model": ', () => sending.destroy());
    while (statuses.length === 0) await new Promise(setImmediate);
    expect(statuses).toEqual([400]);
  },
);

test("health and metrics", async () => {
  const answers: object[] = [];
  const { url } = await serveModels(
    { tiny: await openTalker() },
    { onAnswer: ({ method, path, status }) => answers.push({ method, path, status }) },
  );
  expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "ok" });
  await post(url, "/v1/completions", { model: "tiny", prompt: "abc", max_tokens: 5 });
  await post(url, "/v1/completions", { model: "tiny", prompt: "abc", n: 2 });
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  const lines = (await response.text()).split("\n");
  for (const line of [
    "# TYPE tptt_requests_total counter",
    'tptt_requests_total{path="/health",status="200"} 1',
    'tptt_requests_total{path="/v1/completions",status="200"} 1',
    'tptt_requests_total{path="/v1/completions",status="400"} 1',
    'tptt_texts_total{model="tiny",outcome="length"} 1',
    'tptt_prompt_tokens_total{model="tiny"} 4',
    'tptt_completion_tokens_total{model="tiny"} 5',
    "tptt_queue_length 0",
    "tptt_running_texts 0",
    "# TYPE tptt_text_duration_seconds histogram",
    'tptt_text_duration_seconds_bucket{le="+Inf"} 1',
    "tptt_text_duration_seconds_count 1",
    "tptt_time_to_first_token_seconds_count 1",
  ])
    expect(lines).toContain(line);
  expect(answers.slice(0, 2)).toEqual([
    { method: "GET", path: "/health", status: 200 },
    { method: "POST", path: "/v1/completions", status: 200 },
  ]);
});

test("closing answers what was asked, refuses what comes later, and fails what takes too long", async () => {
  const model = await openTalker();
  const server = await serveModels({ tiny: model });
  await server.scheduler.prepare(model, new AbortController().signal);
  const asked = { model: "tiny", prompt: "a", temperature: 0 };
  const short = post(server.url, "/v1/completions", { ...asked, max_tokens: 40 });
  const long = post(server.url, "/v1/completions", { ...asked, max_tokens: 1000, stream: true });
  while (server.scheduler.running < 2) await new Promise(setImmediate);
  const closed = server.close(0.4);
  onTestFinished(() => closed);
  expect((await short).status).toBe(200);
  const stream = await (await long).text();
  expect(stream).toMatch(/data: \{"error":\{"message":"The server is shutting down\.".*\n\n$/);
  await closed;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});
