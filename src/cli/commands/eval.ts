import { env } from "onnxruntime-common";
import type { Metric } from "../../evaluate/result.js";
import { type Evaluation, toEvaluation, writeEvaluation } from "../../evaluate/result-file.js";
import { locateModel } from "../../io/hub/locate-model.js";
import { plotFormat } from "../../plot/render.js";
import { effectiveMagWeight } from "../../tptt/effective-mag-weight.js";
import { trainedWeightsOf } from "../../tptt/files/run-record.js";
import { defineCommand } from "../command.js";
import { openBeside, openRecords } from "../data-options.js";
import { checkTaskOptions, evaluationOptions } from "../evaluation/options.js";
import { plotResult } from "../evaluation/plot.js";
import { evaluationReport } from "../evaluation/report.js";
import { tasks } from "../evaluation/tasks.js";
import { observeHub } from "../hub-names.js";
import { heldAs, loadModel, placeOf } from "../load-model.js";
import { complete } from "../options.js";
import { requireFolderOf } from "../output-folder.js";
import { createReporter } from "../reporter.js";
import { version } from "../version.js";

export const evaluate = defineCommand({
  name: "eval",
  description: "Measures a titan or a base model: loss, answers, choices, recall, what its memory does.",
  options: evaluationOptions,
  async run(given, io) {
    const values = complete(evaluationOptions, given);
    const { task, json, out } = values;
    checkTaskOptions(given, task);
    if (values.plot !== undefined) plotFormat(values.plot);
    for (const file of [out, values.plot]) await requireFolderOf(file);
    const reporter = createReporter({ ...io, json });
    const records = values.data && (await openRecords(values.data, values, reporter));
    const hubObserver = observeHub(reporter);
    const loading = loadModel(values.model, values.mag_weight, { ...heldAs(values), hubObserver });
    const model = await (records ? openBeside(records, loading) : loading);
    try {
      const { path } = await locateModel(values.model, hubObserver);
      const trained = await trainedWeightsOf(path);
      const { result, data, tokensPerSecond } = await tasks[task]({
        model,
        ...(records ? { records } : {}),
        values,
        given,
        reporter,
      });
      const magWeight = effectiveMagWeight(model);
      const evaluation = toEvaluation(
        {
          task,
          created: new Date().toISOString(),
          model: {
            name: values.model,
            model_type: model.base.config.modelType,
            memory: model.memoryMode,
            mag_weight: magWeight ?? null,
            ...(trained === undefined ? {} : { trained_weights: trained }),
          },
          data,
          options: given,
          versions: { tptt: version, onnxruntime: env.versions.common, node: process.version },
        },
        result,
      );
      const file = out === undefined ? undefined : await writeEvaluation(out, evaluation);
      if (values.plot !== undefined) await plotResult(values.plot, result);
      reporter.close();
      if (!json) io.stdout.write(`${evaluationReport(result)}\n`);
      reporter.done({
        ...figures(result.metrics, json),
        ...result.notes,
        ...(records && records.malformed > 0 ? { malformed: records.malformed } : {}),
        tokens_per_second: tokensPerSecond,
        mag_weight: magWeight,
        out: file,
        plot: values.plot,
        ...(json ? { ...placeOf(model), result: evaluation satisfies Evaluation } : {}),
      });
    } finally {
      reporter.close();
      await records?.close();
      await model.dispose();
    }
  },
});

/** The figures by name; programs get their intervals too. */
function figures(metrics: readonly Metric[], intervals: boolean): Record<string, unknown> {
  return Object.fromEntries(
    metrics.flatMap(({ name, value, interval }) => [
      [name, value],
      ...(intervals ? [[`${name}_interval`, interval]] : []),
    ]),
  );
}
