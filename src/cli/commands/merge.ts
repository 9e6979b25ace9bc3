import { defineConversion } from "../conversion.js";

export const merge = defineConversion({
  name: "merge",
  description:
    "Writes a model with its training in its weights, in Hugging Face form; memories are left out.",
  model: "a saved titan, a PEFT adapter, or a GGUF file",
  save: (model, folder) => model.saveMerged(folder),
});
