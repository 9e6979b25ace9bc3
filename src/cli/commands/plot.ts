import { plotFormat, writePlot } from "../../plot/render.js";
import { trainingCurves } from "../../plot/training-curves.js";
import { defineCommand } from "../command.js";
import { common } from "../common-options.js";
import { complete, path, paths } from "../options.js";
import { createReporter } from "../reporter.js";
import { readRuns } from "../run-metrics.js";

const options = {
  runs: paths().describe("folders of training runs, also ones that are running"),
  out: path().describe("the file to write, .svg or .png"),
  json: common.json,
};

export const plot = defineCommand({
  name: "plot",
  description: "Draws loss, mu, gradient norm and learning rate of training runs.",
  options,
  operands: "runs",
  async run(given, io) {
    const values = complete(options, given);
    plotFormat(values.out);
    const runs = await readRuns(values.runs);
    await writePlot(values.out, trainingCurves(runs));
    if (!values.json) io.stderr.write(`tptt: wrote ${values.out}\n`);
    else createReporter({ ...io, json: true }).done({ runs: runs.map(({ name }) => name), out: values.out });
  },
});
