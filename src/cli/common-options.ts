import { z } from "zod";
import { devices } from "../engine/index.js";
import { InputError } from "../errors.js";
import { type Quantization, quantizations } from "../models/quantization.js";
import { dtypes } from "../tptt/files/open-titan.js";
import { trainingOptions } from "../train/arguments.js";
import { flag, flagOf, path, paths, share } from "./options.js";

/** A number of things, at least 1. */
export const count = () => z.int("expected a whole number").positive("expected at least 1");

/** How the base model is held, and where it runs. @param quantization the default. */
export const placing = (quantization: Quantization) => ({
  quantize: z
    .enum(quantizations)
    .default(quantization)
    .describe(
      "the base model's matrices: as --dtype says, as the GGUF file has them, or rounded to 8 or 4 bits",
    ),
  dtype: z
    .enum(dtypes)
    .default("auto")
    .describe(
      "what matrices that are not quantized multiply in; auto: f16 where the device is faster with it",
    ),
  device: z.enum(devices).default("cpu").describe("where it runs; webgpu and cuda need a GPU"),
});

/** Options that several commands have. */
export const common = {
  model: path().describe(
    "a GGUF file, a folder in Hugging Face form, a saved titan, or one of the hub: org/name[@revision][/folder]",
  ),
  dataset: paths().describe(
    "JSON, JSONL, CSV, Parquet or text: a file, a folder or a pattern, or one of the hub: org/name[@revision][/folder]",
  ),
  json: flag().describe("one JSON object a line on stdout; all else goes to stderr"),
  mag_weight: share().optional().describe("mu, the memory's share; without it, as the titan was saved"),
  batch_size: trainingOptions.batch_size,
  max_length: trainingOptions.max_length,
};

/**
 * The longest example for a model that reads up to `limit` tokens: as it was given, or the default where it fits.
 *
 * @throws InputError when more was given than the model can read.
 */
export function maxLengthFor(limit: number, given: number | undefined, byDefault: number): number {
  if (given === undefined) return Math.min(byDefault, limit);
  if (given <= limit) return given;
  throw new InputError(
    flagOf("max_length"),
    `is ${given}, the model knows positions up to ${limit}; shorten it`,
  );
}
