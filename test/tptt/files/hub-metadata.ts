import { z } from "zod";

/*
 * What the hub accepts as the header of a model's card: huggingface/hub-docs, modelcard.md and
 * docs/hub/repositories-licenses.md.
 */

const text = z.string().min(1);
const datasetId = z.string().regex(/^([\w.-]+\/)?[\w.-]+$/);

const tasks = z.enum(["text-generation", "feature-extraction", "image-feature-extraction"]);

const result = z.strictObject({
  task: z.strictObject({ type: tasks, name: text.optional() }),
  dataset: z.strictObject({
    type: datasetId,
    name: text,
    config: text.optional(),
    split: text.optional(),
    revision: text.optional(),
  }),
  metrics: z
    .array(z.strictObject({ type: text, value: z.union([z.number(), z.string()]), name: text.optional() }))
    .min(1),
});

/** Some of the hub's licenses: those that the tests use. */
const licenses = ["apache-2.0", "mit", "gemma", "llama3.2", "other"];

/** The header of a card, strictly: a field that the hub does not know is an error. */
export const hubMetadata = z
  .strictObject({
    language: z.union([text, z.array(text)]).optional(),
    license: z.enum(licenses).optional(),
    license_name: z
      .string()
      .regex(/^[a-z0-9.-]+$/)
      .optional(),
    license_link: z.union([z.url(), z.enum(["LICENSE", "LICENSE.md"])]).optional(),
    library_name: text,
    pipeline_tag: tasks,
    base_model: z
      .string()
      .regex(/^[\w.-]+\/[\w.-]+$/)
      .optional(),
    base_model_relation: z.enum(["adapter", "finetune", "quantized", "merge"]).optional(),
    datasets: z.array(datasetId).min(1).optional(),
    tags: z.array(text),
    "model-index": z
      .array(z.strictObject({ name: text, results: z.array(result).min(1) }))
      .length(1)
      .optional(),
  })
  .refine(({ license, license_name }) => license !== "other" || license_name !== undefined, {
    message: "a license that is other has a name",
  })
  .refine(
    ({ base_model, base_model_relation }) => base_model !== undefined || base_model_relation === undefined,
  );
