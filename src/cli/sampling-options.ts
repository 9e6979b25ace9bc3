import { z } from "zod";
import type { GenerateOptions } from "../tptt/text-generation.js";
import { count } from "./common-options.js";
import { defined, type Values } from "./options.js";

/** How tokens are chosen, by every command that writes text. */
export const samplingOptions = {
  temperature: z.number().nonnegative().default(0).describe("0 takes the most likely token"),
  top_k: count().optional().describe("sample among so many most likely tokens"),
  top_p: z
    .number()
    .positive()
    .max(1)
    .optional()
    .describe("sample among tokens that have this probability together"),
  seed: z.int().nonnegative().default(0).describe("seed of the draws"),
};

/** The options as the library takes them. */
export const toSampling = ({
  temperature,
  top_k,
  top_p,
  seed,
}: Values<typeof samplingOptions>): Pick<GenerateOptions, "temperature" | "topK" | "topP" | "seed"> =>
  defined({ temperature, topK: top_k, topP: top_p, seed });
