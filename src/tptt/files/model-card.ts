import { mkdir, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../../errors.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { BoundedTemplate } from "../../io/bounded-template.js";
import { type JsonObject, readTextFile } from "../../io/json-file.js";
import { isFile } from "../../io/path-kind.js";
import { TpttConfig } from "../config/config.js";

const templatesFolder = fileURLToPath(new URL("../../../assets/templates", import.meta.url));
const extension = ".md";

/**
 * Python's `render_template`: renders a Jinja template. It sees the variables and nothing else: no files, no includes.
 * What is not defined is empty, and so is null; `true` and `false` are written as in JSON. Line ends after a block
 * stay, as in Python.
 *
 * @param templatePath the template's file.
 * @throws InputError naming the file when it is missing or not a template.
 */
export async function renderTemplate(
  templatePath: string,
  variables: Readonly<Record<string, unknown>>,
): Promise<string> {
  const source = await readTextFile(templatePath);
  try {
    return new BoundedTemplate(source, {}).render(variables);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new InputError(templatePath, `cannot be rendered: ${problem}`, { cause: error });
  }
}

/** Python's `write_model_card`: writes `README.md` into a folder, which is made if need be; one that is there is replaced. */
export async function writeModelCard(outputPath: string, content: string): Promise<void> {
  await mkdir(outputPath, { recursive: true });
  await writeFileAtomic(join(outputPath, "README.md"), content);
}

/**
 * Python's `generate_model_card`: writes a titan's model card, `README.md` with the hub's metadata, from a template.
 *
 * The template's variables are `config`, the fields of `config.json`; `model_id`, the folder's name; `base_name` and
 * `base_model_id`, the base model's name and, if it is on the hub, where; `pipeline_tag`; and the extra ones.
 *
 * @param outputPath the folder.
 * @param config a titan's config, or its fields on disk.
 * @param template the path of a template, or the name of a built-in one: `model_card_template` (the default), or
 * `home_card_template` for a repository of several titans (extra variable `models`: a list of `folder`, `description`).
 * @param extraVariables more variables. The built-in card shows `dataset`, `epochs`, `batch_size`, `learning_rate`,
 * `loss` and other figures of training (the whole list is in the template) where they are given, and `license`.
 * @throws InputError when there is no such template, or it cannot be rendered.
 */
export async function generateModelCard(
  outputPath: string,
  config: TpttConfig | JsonObject,
  template: string | null = null,
  extraVariables: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const fields = config instanceof TpttConfig ? config.toJson({}) : config;
  const path = await locateTemplate(template ?? "model_card_template");
  const variables = { ...cardVariables(resolve(outputPath), fields), ...extraVariables };
  await writeModelCard(outputPath, await renderTemplate(path, variables));
}

/** What a card says beside the config's fields. */
function cardVariables(folder: string, config: JsonObject): Record<string, unknown> {
  const base = typeof config.base_model_name === "string" ? config.base_model_name : "";
  return {
    model_id: basename(folder),
    config,
    base_name: basename(base),
    // The hub takes names of its own only: a path would make it refuse the card.
    ...(/^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(base) ? { base_model_id: base } : {}),
    pipeline_tag:
      String(config.model_task ?? "causal_lm") === "causal_lm" ? "text-generation" : "feature-extraction",
  };
}

/**
 * The file of a template: a path as it is, else the name of a built-in one.
 *
 * @throws InputError when it is neither.
 */
export async function locateTemplate(template: string): Promise<string> {
  if (await isFile(template)) return resolve(template);
  const names = (await readdir(templatesFolder)).map((file) => basename(file, extension)).sort();
  if (names.includes(template)) return join(templatesFolder, template + extension);
  throw new InputError(
    template,
    `is no file and no built-in template; give a template's path, or one of ${names.join(", ")}`,
  );
}
