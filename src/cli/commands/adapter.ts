import { writeFolderAtomic } from "../../io/atomic-file.js";
import { TpttModel } from "../../tptt/tptt-model.js";
import { defineCommand } from "../command.js";
import { complete, path } from "../options.js";
import { requireEmpty } from "../output-folder.js";

const options = {
  model: path().describe("a saved titan"),
  out: path().describe("the folder to write, new or empty"),
};

export const adapter = defineCommand({
  name: "adapter",
  description: "Writes the low-rank updates of a titan as a plain PEFT adapter of its base model.",
  options,
  async run(given, io) {
    const values = complete(options, given);
    await requireEmpty(values.out, "give a new folder with --out");
    const model = await TpttModel.fromPretrained(values.model, { disableLinearAttn: true });
    try {
      await writeFolderAtomic(values.out, (folder) => model.saveAdapter(folder));
    } finally {
      await model.dispose();
    }
    io.stderr.write(`tptt: wrote ${values.out}\n`);
  },
});
