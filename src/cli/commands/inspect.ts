import { defineCommand } from "../command.js";
import { common } from "../common-options.js";
import { observeHub } from "../hub-names.js";
import { inspectionOptions, inspectModel } from "../inspection.js";
import { inspectionTable } from "../inspection-table.js";
import { complete } from "../options.js";
import { createReporter } from "../reporter.js";

const options = { ...inspectionOptions, json: common.json };

export const inspect = defineCommand({
  name: "inspect",
  description:
    "Tells what a model is, what of it becomes a titan, and the memory that this needs; reads no weights.",
  options,
  async run(given, io) {
    const values = complete(options, given);
    const reporter = createReporter({ ...io, json: values.json });
    const inspection = await inspectModel(given, values, observeHub(reporter));
    if (values.json) reporter.done(inspection);
    else io.stdout.write(inspectionTable(inspection));
  },
});
