import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { JsonObject } from "../../src/io/json-file.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { openWorkspace, type Workspace } from "../cli/workspace.js";
import { randomizeParams } from "./titan.js";

/** A template of letters that the tiny tokenizer knows. */
export const letterTemplate =
  "{{ bos_token }}{% for m in messages %}{{ '[' + m.role + ']' + m.content + '\n' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

/** The files of a tiny model that has a chat template, more positions than its fixture, and no token that has no text. */
export async function chatWorkspace(template = letterTemplate, fixture = "llama-gqa"): Promise<Workspace> {
  const workspace = await openWorkspace(fixture);
  await workspace.write("base/chat_template.jinja", template);
  await change(workspace, "config.json", (config) => ({
    ...config,
    max_position_embeddings: 1024,
    eos_token_id: 0,
  }));
  await change(workspace, "tokenizer.json", ({ added_tokens, ...rest }) => ({
    ...rest,
    added_tokens: (added_tokens as object[]).map((token) => ({ ...token, special: false })),
  }));
  return workspace;
}

/** Changes a file of a workspace's model. */
export async function change(
  { model, write }: Workspace,
  name: string,
  edit: (json: JsonObject) => JsonObject,
): Promise<void> {
  const json = JSON.parse(await readFile(join(model, name), "utf8")) as JsonObject;
  await write(`base/${name}`, JSON.stringify(edit(json)));
}

/** Opens a model with random trained weights, disposed of when the running test ends. */
export async function openChatModel(
  { model: folder }: Workspace,
  options: FromPretrainedOptions = {},
): Promise<TpttModel> {
  const model = await TpttModel.fromPretrained(folder, {
    operatorMode: "delta_rule",
    loraConfig: { r: 2 },
    ...options,
  });
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  return model;
}
