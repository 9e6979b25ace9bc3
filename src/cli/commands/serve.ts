import { basename, resolve } from "node:path";
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readTextFile } from "../../io/json-file.js";
import { exists } from "../../io/path-kind.js";
import { Random } from "../../random.js";
import { Scheduler } from "../../serve/scheduler.js";
import { startServer } from "../../serve/server.js";
import type { TpttModel } from "../../tptt/tptt-model.js";
import { defineCommand } from "../command.js";
import { common, count, placing } from "../common-options.js";
import { dataOptions, useChatTemplate } from "../data-options.js";
import { observeHub } from "../hub-names.js";
import { heldAs, loadAdapter, loadModel } from "../load-model.js";
import { complete, flagOf, path, repeated } from "../options.js";
import { createReporter } from "../reporter.js";

const apiKeyVariable = "TPTT_API_KEY";

const options = {
  model: common.model,
  adapter: repeated(
    z
      .string()
      .regex(/^[^=]+=.+/, "expected name=folder")
      .meta({ placeholder: "name=folder" }),
  )
    .optional()
    .describe("a titan or an adapter over the same base model, and its name; may be given several times"),
  host: z.string().min(1).default("127.0.0.1").describe("the address to listen on; 0.0.0.0 for all"),
  port: z.int().min(0).max(65_535).default(8_000).describe("0 takes a free one"),
  api_key_file: path()
    .optional()
    .describe(
      `file with the key that clients have to give; without it, the variable ${apiKeyVariable}, or none`,
    ),
  max_batch_size: count().default(8).describe("texts that are written at the same time"),
  max_queue_length: z
    .int()
    .nonnegative()
    .default(64)
    .describe("texts that wait; beyond, requests are refused"),
  max_length: count().default(4_096).describe("the longest prompt with its answer, in tokens"),
  timeout: z.number().positive().default(300).describe("seconds that a request may take, waiting included"),
  max_request_bytes: count()
    .default(4 * 2 ** 20)
    .describe("the largest body of a request"),
  shutdown_timeout: z
    .number()
    .nonnegative()
    .default(30)
    .describe("seconds that requests have to end after an interruption"),
  seed: z.int().nonnegative().default(0).describe("seed of the draws of requests without one"),
  chat_template: dataOptions.chat_template,
  mag_weight: common.mag_weight,
  ...placing("gguf"),
  json: common.json,
};

export const serve = defineCommand({
  name: "serve",
  description: "Answers requests in the form of OpenAI's API, over HTTP.",
  options,
  async run(given, io) {
    const { json, mag_weight, ...values } = complete(options, given);
    const reporter = createReporter({ ...io, json });
    const stop = new AbortController();
    const interruption = new Promise<void>((resolve) => {
      io.onInterrupt(() => {
        stop.abort();
        resolve();
      });
    });
    const hubObserver = observeHub(reporter);
    const apiKey = await readApiKey(values.api_key_file);
    const server = await startServer({ host: values.host, port: values.port });
    let model: TpttModel | undefined;
    try {
      model = await loadModel(values.model, mag_weight, { ...heldAs(values), hubObserver });
      const models = new Map([[await nameOf(values.model), model]]);
      for (const [name, folder] of adaptersOf(values.adapter)) {
        if (models.has(name)) throw new InputError(flagOf("adapter"), `${name} names two models`);
        models.set(name, await loadAdapter(model, folder, mag_weight, hubObserver));
      }
      for (const served of models.values()) await prepare(served, values);
      const { max_batch_size: maxBatchSize, max_queue_length: maxQueueLength } = values;
      const scheduler = new Scheduler({ maxBatchSize, maxQueueLength });
      reporter.note("making graphs, so that no request waits for them");
      for (const served of models.values()) await scheduler.prepare(served, stop.signal);
      server.serve({
        models,
        scheduler,
        maxLength: values.max_length,
        timeout: values.timeout,
        maxRequestBytes: values.max_request_bytes,
        apiKey,
        random: Random.for(values.seed, "serve"),
        onAnswer: (answer) => reporter.event("request", answer),
        onError: (error) =>
          reporter.note(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      });
      reporter.event("listening", { url: server.url, models: [...models.keys()].join(", ") });
      if (apiKey === undefined && !isLoopback(server.url)) {
        reporter.note("anybody who reaches this address can use it: there is no API key");
      }
      await interruption;
      reporter.note("no more requests are taken; those that are being answered have time to end");
      await server.close(values.shutdown_timeout);
      reporter.done({});
    } finally {
      await server.close(0);
      reporter.close();
      await model?.dispose();
    }
  },
});

/** What a model is called by requests: its file's or folder's name, or its hub id. */
const nameOf = async (model: string): Promise<string> =>
  (await exists(model)) ? basename(resolve(model)).replace(/\.gguf$/i, "") : model;

const adaptersOf = (pairs: readonly string[] = []): [name: string, folder: string][] =>
  pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);

/** Sets up what requests need of a model. @throws InputError when it cannot write texts in pieces. */
async function prepare(model: TpttModel, values: Parameters<typeof useChatTemplate>[1]): Promise<void> {
  await useChatTemplate(model.requireTokenizer(), values);
  model.decoder();
}

async function readApiKey(file: string | undefined): Promise<string | undefined> {
  const key = file === undefined ? process.env[apiKeyVariable] : (await readTextFile(file)).trim();
  if (key === undefined || /^[\x21-\x7e]+$/.test(key)) return key;
  const where = file ?? apiKeyVariable;
  throw new InputError(where, "holds no key that a header can have, expected printable ASCII without spaces");
}

const isLoopback = (url: string): boolean => /^(127\.|\[::1\])/.test(new URL(url).host);
