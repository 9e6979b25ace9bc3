import { writeFolderAtomic } from "../io/atomic-file.js";
import { TpttModel } from "../tptt/tptt-model.js";
import { type CliCommand, defineCommand } from "./command.js";
import { common } from "./common-options.js";
import { observeHub } from "./hub-names.js";
import { complete, path } from "./options.js";
import { requireEmpty } from "./output-folder.js";
import { createReporter } from "./reporter.js";

/** What a command is made of that writes a model, without its memories, in another form. */
export interface Conversion {
  readonly name: string;
  readonly description: string;
  /** What it reads. */
  readonly model: string;
  /** Writes the folder. */
  readonly save: (model: TpttModel, folder: string) => Promise<void>;
}

/** A command with the options `model`, `out` and `json`. */
export function defineConversion({ name, description, model: reads, save }: Conversion): CliCommand {
  const options = {
    model: path().describe(reads),
    out: path().describe("the folder to write, new or empty"),
    json: common.json,
  };
  return defineCommand({
    name,
    description,
    options,
    async run(given, io) {
      const values = complete(options, given);
      await requireEmpty(values.out, "give a new folder with --out");
      const reporter = createReporter({ ...io, json: values.json });
      const hubObserver = observeHub(reporter);
      const model = await TpttModel.fromPretrained(values.model, { disableLinearAttn: true, hubObserver });
      try {
        await writeFolderAtomic(values.out, (folder) => save(model, folder));
      } finally {
        await model.dispose();
      }
      if (values.json) reporter.done({ model: values.model, out: values.out });
      else io.stderr.write(`tptt: wrote ${values.out}\n`);
    },
  });
}
