import { writeFolderAtomic } from "../../io/atomic-file.js";
import { TpttModel } from "../../tptt/tptt-model.js";
import { defineCommand } from "../command.js";
import { complete, path } from "../options.js";
import { requireEmpty } from "../output-folder.js";

const options = {
  model: path().describe("a saved titan, a PEFT adapter, or a GGUF file"),
  out: path().describe("the folder to write, new or empty"),
};

export const merge = defineCommand({
  name: "merge",
  description:
    "Writes a model with its training in its weights, in Hugging Face form; memories are left out.",
  options,
  async run(given, io) {
    const values = complete(options, given);
    await requireEmpty(values.out, "give a new folder with --out");
    const model = await TpttModel.fromPretrained(values.model, { disableLinearAttn: true });
    try {
      await writeFolderAtomic(values.out, (folder) => model.saveMerged(folder));
    } finally {
      await model.dispose();
    }
    io.stderr.write(`tptt: wrote ${values.out}\n`);
  },
});
