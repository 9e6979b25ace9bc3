import { join } from "node:path";
import { InputError } from "../../errors.js";
import { writeFileAtomic, writeFolderAtomic } from "../../io/atomic-file.js";
import { trainingOptions } from "../../train/arguments.js";
import { defineCommand } from "../command.js";
import { common, count } from "../common-options.js";
import { demoJson, demoReport } from "../demo/report.js";
import { runDemo } from "../demo/run-demo.js";
import { complete, path } from "../options.js";
import { namesIn } from "../output-folder.js";
import { quoted } from "../quoted.js";
import { createReporter } from "../reporter.js";

const options = {
  output: path().default("titan").describe("the folder for the titan; one that a demo wrote is replaced"),
  steps: count().default(250).describe("steps of training"),
  seed: trainingOptions.seed,
  samples: count().default(24).describe("texts that recall is measured on, at each distance"),
  json: common.json,
};

/** All that was measured; marks a folder as a demo's. */
const measuresFile = "demo.json";
/** The text that the demo's last question follows. */
const promptFile = "prompt.txt";

export const demo = defineCommand({
  name: "demo",
  description: "Turns the tiny model that comes with tptt into a titan, and shows what that changes.",
  options,
  async run(given, io) {
    const { json, output, ...values } = complete(options, given);
    await checkOutput(output);
    const reporter = createReporter({ ...io, json });
    try {
      const result = await runDemo(values, reporter, (titan, measured) =>
        writeFolderAtomic(output, async (folder) => {
          await titan.savePretrained(folder);
          await writeFileAtomic(join(folder, promptFile), measured.question.prompt);
          const text = JSON.stringify(demoJson(measured), null, 2);
          await writeFileAtomic(join(folder, measuresFile), `${text}\n`);
        }),
      );
      const next = `npx tptt generate --model ${quoted(output)} --max-new-tokens 2 --prompt "$(cat ${quoted(join(output, promptFile))})"`;
      if (!json)
        io.stdout.write(`\n${demoReport(result)}\n\nThe titan is in ${output}. Ask it:\n  ${next}\n`);
      reporter.done(json ? { ...demoJson(result), output } : { seconds: result.seconds, output });
    } finally {
      reporter.close();
    }
  },
});

/** @throws InputError when the folder holds what no demo wrote. */
async function checkOutput(folder: string): Promise<void> {
  const found = await namesIn(folder);
  if (found.length === 0 || found.includes(measuresFile)) return;
  throw new InputError(folder, `holds what no demo wrote (${found[0]}); give another folder with --output`);
}
