import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { turnEndIds } from "../../data/chat.js";
import { asLanguageModel } from "../../models/language-model.js";
import type { Random } from "../../random.js";
import { lastUnread } from "../../tptt/text-generation.js";
import type { TpttModel } from "../../tptt/tptt-model.js";
import { ServerMetrics } from "../metrics.js";
import type { Scheduler } from "../scheduler.js";
import { answer } from "./answer.js";
import { ApiError, asApiError, badRequest } from "./api-error.js";
import { hasKey } from "./api-key.js";
import { readBody } from "./read-body.js";
import { type CommonFields, chatFields, completionFields, parseFields } from "./request-fields.js";
import { chatForm, completionForm, type TextForm } from "./text-forms.js";

/** What is served, and within which bounds. */
export interface AppOptions {
  /** The models by the names that requests choose them by; the first is the one that the others are adapters of. */
  readonly models: ReadonlyMap<string, TpttModel>;
  readonly scheduler: Scheduler;
  /** The longest prompt with its answer, in tokens; a model may know fewer positions. */
  readonly maxLength: number;
  /** Seconds that a request may take, waiting included. */
  readonly timeout: number;
  /** The largest body of a request, in bytes. */
  readonly maxRequestBytes: number;
  /** What a client has to know; without it, nothing. */
  readonly apiKey?: string | undefined;
  /** Gives the seeds of requests that have none. */
  readonly random: Random;
  /** Told every answer. */
  readonly onAnswer?: (answer: { method: string; path: string; status: number; seconds: number }) => void;
  /** Told errors that are nobody's fault but ours. */
  readonly onError: (error: unknown) => void;
}

/** What an endpoint makes of its own fields. */
interface TextsToWrite {
  readonly form: TextForm;
  readonly prompts: readonly (readonly number[])[];
  /** Tokens that end a text. */
  readonly stopIds: readonly number[];
  /** Most new tokens; as many as there is room for, up to the default, when none are given. */
  readonly newTokens: number | undefined;
  readonly defaultNewTokens: number;
}

/** New tokens of a completion that does not say how many: OpenAI's default. */
const defaultNewTokens = 16;

/** The HTTP side of a server: OpenAI's endpoints over a scheduler, its health and its metrics. */
export function createApp(options: AppOptions): Hono {
  const { models, scheduler, apiKey } = options;
  const metrics = new ServerMetrics(scheduler);
  const created = Math.floor(Date.now() / 1000);
  const app = new Hono();

  const fail = (c: Context, error: unknown) => {
    const told = asApiError(error);
    if (told.status === 500) options.onError(error);
    if (told.status === 429) c.header("Retry-After", String(waitingTime(scheduler, metrics)));
    if (told.status === 401) c.header("WWW-Authenticate", "Bearer");
    return c.json(told.body, told.status);
  };
  app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : fail(c, error)));
  app.notFound((c) =>
    fail(c, new ApiError(404, "invalid_request_error", `There is no ${c.req.method} ${c.req.path}.`)),
  );

  app.use(async (c, next) => {
    const start = performance.now();
    await next();
    const { method, path } = c.req;
    const known = app.routes.some((route) => route.path === path);
    metrics.answered(known ? path : "other", c.res.status);
    options.onAnswer?.({ method, path, status: c.res.status, seconds: (performance.now() - start) / 1000 });
  });

  app.get("/health", (c) =>
    scheduler.closing ? c.json({ status: "shutting down" }, 503) : c.json({ status: "ok" }),
  );

  if (apiKey !== undefined) {
    app.use(async (c, next) => {
      if (hasKey(c.req.header("Authorization"), apiKey)) return next();
      return fail(
        c,
        new ApiError(401, "authentication_error", "The API key is missing or wrong.", {
          code: "invalid_api_key",
        }),
      );
    });
  }

  app.get("/metrics", (c) => c.text(metrics.render(), 200, { "Content-Type": "text/plain; version=0.0.4" }));

  const modelFields = (id: string) => ({ id, object: "model", created, owned_by: "tptt" });
  app.get("/v1/models", (c) => c.json({ object: "list", data: [...models.keys()].map(modelFields) }));
  app.get("/v1/models/:id{.+}", (c) => {
    modelOf(models, c.req.param("id"));
    return c.json(modelFields(c.req.param("id")));
  });

  const write = (c: Context, fields: CommonFields, texts: TextsToWrite) => {
    const model = modelOf(models, fields.model);
    const maxLength = Math.min(options.maxLength, model.maxLength);
    const generations = scheduler.submit(
      texts.prompts.map((prompt) => ({
        model,
        prompt,
        maxNewTokens: countNewTokens(prompt, maxLength, texts),
        stopIds: texts.stopIds,
        sampling: {
          temperature: fields.temperature ?? 1,
          topP: fields.top_p ?? undefined,
          topK: fields.top_k ?? undefined,
        },
        seed: fields.seed ?? options.random.uint32(),
        stop: fields.stop ?? [],
      })),
    );
    return answer(c, {
      generations,
      model: fields.model,
      form: texts.form,
      stream: fields.stream ?? false,
      includeUsage: fields.stream_options?.include_usage ?? false,
      timeout: options.timeout,
      metrics,
      onError: options.onError,
    });
  };

  app.post("/v1/completions", async (c) => {
    const fields = parseFields(completionFields, await bodyOf(c, options.maxRequestBytes));
    const model = modelOf(models, fields.model);
    const { vocabSize } = asLanguageModel(model.base).config;
    const prompts = fields.prompt.map((prompt) => {
      if (typeof prompt === "string") return model.requireTokenizer().encode(prompt);
      const unknown = prompt.find((id) => id >= vocabSize);
      if (unknown === undefined) return prompt;
      throw badRequest(`prompt: has the token ${unknown}, the model knows ${vocabSize}`, { param: "prompt" });
    });
    return write(c, fields, {
      form: completionForm,
      prompts,
      stopIds: model.eosTokenIds,
      newTokens: fields.max_tokens ?? undefined,
      defaultNewTokens,
    });
  });

  app.post("/v1/chat/completions", async (c) => {
    const fields = parseFields(chatFields, await bodyOf(c, options.maxRequestBytes));
    const model = modelOf(models, fields.model);
    const tokenizer = model.requireTokenizer();
    const template = tokenizer.chatTemplate;
    if (!template) {
      throw badRequest(
        `${fields.model} has no chat template; use /v1/completions, or start the server with --chat-template`,
        { param: "model", code: "no_chat_template" },
      );
    }
    const text = template.render(fields.messages, { addGenerationPrompt: true });
    return write(c, fields, {
      form: chatForm,
      // The template writes the special tokens itself.
      prompts: [tokenizer.encode(text, { addSpecialTokens: false })],
      stopIds: [...model.eosTokenIds, ...turnEndIds(tokenizer, template)],
      newTokens: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
      defaultNewTokens: Number.POSITIVE_INFINITY,
    });
  });

  return app;
}

function modelOf(models: ReadonlyMap<string, TpttModel>, name: string): TpttModel {
  const model = models.get(name);
  if (model) return model;
  throw new ApiError(
    404,
    "invalid_request_error",
    `There is no model ${name}; there are ${[...models.keys()].join(", ")}.`,
    { param: "model", code: "model_not_found" },
  );
}

/** The JSON of a request. Asking for its type keeps web pages from sending one without the browser's asking first. */
async function bodyOf(c: Context, largest: number): Promise<unknown> {
  const type = c.req.header("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new ApiError(
      415,
      "invalid_request_error",
      `The Content-Type is ${type ?? "missing"}, expected application/json.`,
    );
  }
  const text = await readBody(c.req, largest);
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("the body: is not JSON");
  }
}

/** How many tokens may follow a prompt. */
function countNewTokens(
  prompt: readonly number[],
  maxLength: number,
  { newTokens, defaultNewTokens }: TextsToWrite,
): number {
  if (prompt.length === 0)
    throw badRequest("prompt: is empty, expected at least one token", { param: "prompt" });
  const left = maxLength - prompt.length + lastUnread;
  if (left < 1 || (newTokens !== undefined && newTokens > left)) {
    throw badRequest(
      `The longest text is ${maxLength} tokens; the prompt has ${prompt.length}, and ${newTokens ?? "at least 1"} new ones were asked for.`,
      { code: "context_length_exceeded", param: left < 1 ? "prompt" : "max_tokens" },
    );
  }
  return newTokens ?? Math.min(defaultNewTokens, left);
}

/** Seconds until there may be room again. */
function waitingTime({ queueLength, maxBatchSize }: Scheduler, { meanDuration }: ServerMetrics): number {
  return Math.min(60, Math.max(1, Math.ceil((queueLength / maxBatchSize) * meanDuration)));
}
