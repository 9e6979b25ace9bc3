import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Random } from "../../src/random.js";
import type { AppOptions } from "../../src/serve/http/app.js";
import { Scheduler } from "../../src/serve/scheduler.js";
import { type RunningServer, startServer } from "../../src/serve/server.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { openWorkspace } from "../cli/workspace.js";
import { randomizeParams } from "../tptt/titan.js";

/** Turns as `<role>text` on a line each; the answer ends with its line. */
export const chatTemplate =
  "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

/** A tiny model that reads letters, as a titan with random LoRA. */
export async function openTalker(
  options: FromPretrainedOptions = {},
  fixture = "llama-gqa",
): Promise<TpttModel> {
  const { model: folder } = await openWorkspace(fixture);
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({ ...config, eos_token_id: 2_000, max_position_embeddings: 2048 }),
  );
  const model = await TpttModel.fromPretrained(folder, {
    operatorMode: "delta_rule",
    magWeight: 0.4,
    loraConfig: { r: 2 },
    ...options,
  });
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  model.requireTokenizer().useChatTemplate(chatTemplate, "test");
  return model;
}

/** Saves a titan over the base of another, with random weights of its own; gives its folder. */
export async function saveSibling(
  model: TpttModel,
  folder: string,
  seed: number,
  options: FromPretrainedOptions = {},
): Promise<string> {
  const sibling = await TpttModel.fromPretrained(model.config.baseModelPath, {
    operatorMode: "delta_rule",
    magWeight: 0.4,
    loraConfig: { r: 2 },
    ...options,
  });
  randomizeParams(sibling, seed, 0.3);
  await sibling.savePretrained(folder);
  await sibling.dispose();
  return folder;
}

/** A server that is closed when the running test ends; errors of ours fail the test. */
export async function serveModels(
  models: Readonly<Record<string, TpttModel>>,
  options: Partial<AppOptions> & { maxBatchSize?: number; maxQueueLength?: number } = {},
): Promise<RunningServer & { scheduler: Scheduler }> {
  const { maxBatchSize = 4, maxQueueLength = 32, ...rest } = options;
  const scheduler = new Scheduler({ maxBatchSize, maxQueueLength });
  const errors: unknown[] = [];
  const server = await startServer({ host: "127.0.0.1", port: 0 });
  server.serve({
    models: new Map(Object.entries(models)),
    scheduler,
    maxLength: 1024,
    timeout: 60,
    maxRequestBytes: 2 ** 16,
    random: new Random(0),
    onError: (error) => errors.push(error),
    ...rest,
  });
  onTestFinished(async () => {
    await server.close(0);
    if (errors.length > 0) throw errors[0];
  });
  return { ...server, scheduler };
}
