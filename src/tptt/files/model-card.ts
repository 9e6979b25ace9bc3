import { mkdir, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { errorCode, InputError } from "../../errors.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { BoundedTemplate } from "../../io/bounded-template.js";
import { type JsonObject, readTextFile } from "../../io/json-file.js";
import type { Metrics } from "../../io/metrics.js";
import { exists, isFile } from "../../io/path-kind.js";
import { writePlot } from "../../plot/render.js";
import { trainingCurves } from "../../plot/training-curves.js";
import { TpttConfig } from "../config/config.js";
import { adapterFile } from "./adapter-file.js";
import { cardVariables } from "./card-variables.js";
import { readRunRecord } from "./run-record.js";

const templatesFolder = fileURLToPath(new URL("../../../assets/templates", import.meta.url));
const extension = ".md";
/** The built-in template of all models. */
export const modelCardTemplate = "model_card_template";
/** An SVG: whoever shows it has fonts. */
const curvesFile = "curves.svg";

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
 * What the folder holds is on the card too: the data and options of its training run (`train_results.json`), what was
 * measured in it (`metrics.jsonl`), with its curves drawn into `curves.svg`, and results of `tptt eval`
 * (`eval-<task>.json`).
 *
 * The template's variables are `config`, the fields of `config.json`; `model_id`, the folder's name; `base_name` and
 * `base_model_id`, the base model's name and, if it is on the hub, where; `is_trained`, whether there are trained
 * weights; `pipeline_tag`; `python`, how transformers loads the base model; `metadata`, the hub's header in YAML; of a run `dataset`, `epochs`, `batch_size`, `learning_rate`, `loss`, .. by the names of its options; `data`,
 * `metrics`, `evaluations` and `curves`, as the built-in template uses them; and the extra ones.
 *
 * @param outputPath the folder.
 * @param config a titan's config, or its fields on disk.
 * @param template the path of a template, or the name of a built-in one: `model_card_template` (the default), or
 * `home_card_template` for a repository of several titans (extra variable `models`: a list of `folder`, `description`).
 * @param extraVariables more variables, or others in place of these; `license` (with `license_name`, `license_link`) is
 * that of the base model.
 * @throws InputError when there is no such template, it cannot be rendered, or a file of the folder is not what it should be.
 */
export async function generateModelCard(
  outputPath: string,
  config: TpttConfig | JsonObject,
  template: string | null = null,
  extraVariables: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const fields = config instanceof TpttConfig ? config.toJson({}) : config;
  const path = await locateTemplate(template ?? modelCardTemplate);
  const folder = resolve(outputPath);
  const record = await readRunRecord(folder);
  const curves = record.metrics.length > 0 ? await drawCurves(folder, record.metrics) : undefined;
  const card = { kind: "titan" as const, modelId: basename(folder), config: fields, record, curves };
  const isTrained = await exists(join(folder, adapterFile));
  const variables = cardVariables({ ...card, isTrained }, extraVariables);
  await writeModelCard(outputPath, await renderTemplate(path, variables));
}

/**
 * Tries a template on a run that has not been yet, so that a fault in it is told before training and not after.
 *
 * @param config the titan's config, as it will be on disk.
 * @param args the run's options, in snake_case.
 * @throws InputError when the template cannot be rendered.
 */
export async function checkCardTemplate(
  template: string,
  config: JsonObject,
  args: JsonObject,
): Promise<void> {
  const data = { examples: 1, fingerprint: "", files: [{ name: "data.jsonl", records: 1, malformed: 0 }] };
  const record = {
    metrics: [
      { step: 1, loss: 1, learning_rate: 1e-3, grad_norm: 1, mag_weight: 0.5, tokens_per_second: 1 },
      { step: 1, eval_loss: 1 },
    ],
    results: { steps: 1, tokens: 1, arguments: args, data, eval_data: data },
    evaluations: [
      { task: "perplexity", data: { name: "data.jsonl" }, metrics: [{ name: "loss", value: 1 }] },
    ],
  };
  const card = {
    kind: "titan",
    modelId: "titan",
    config,
    record,
    isTrained: true,
    curves: curvesFile,
  } as const;
  const variables = cardVariables(card, { license: "apache-2.0" });
  await renderTemplate(await locateTemplate(template), variables);
}

/** @returns the file's name; undefined where what draws is not installed. */
async function drawCurves(folder: string, metrics: readonly Metrics[]): Promise<string | undefined> {
  await mkdir(folder, { recursive: true });
  try {
    await writePlot(join(folder, curvesFile), trainingCurves([{ name: basename(folder), metrics }]));
    return curvesFile;
  } catch (error) {
    if (errorCode(error) === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
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
