import type { Reader } from "../sample.js";
import { config } from "./config.js";
import { dataset } from "./dataset.js";
import { gguf } from "./gguf.js";
import { tokenizer } from "./tokenizer.js";
import { safetensors } from "./weights.js";

/** What files are read by, in the order in which cases are dealt out. */
export const readers: readonly Reader[] = [safetensors, gguf, tokenizer, config, dataset];
