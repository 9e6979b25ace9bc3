import { defineConversion } from "../conversion.js";

export const adapter = defineConversion({
  name: "adapter",
  description: "Writes the low-rank updates of a titan as a plain PEFT adapter of its base model.",
  model: "a saved titan",
  save: (model, folder) => model.saveAdapter(folder),
});
