import { InputError } from "../../errors.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { readTextFile } from "../../io/json-file.js";
import { defineCommand } from "../command.js";
import { common, count, placing } from "../common-options.js";
import { type ComparedRun, differingOptions, readComparedRuns, remarksOn } from "../comparison.js";
import { type Continuation, comparisonMarkdown, comparisonText } from "../comparison-report.js";
import { observeHub } from "../hub-names.js";
import { heldAs, loadModel } from "../load-model.js";
import { complete, path, paths, type Values } from "../options.js";
import { requireFolderOf } from "../output-folder.js";
import { pace } from "../pace.js";
import { createReporter, type Reporter } from "../reporter.js";

const options = {
  runs: paths().describe("folders of saved titans or of training runs"),
  prompts: path().optional().describe("a text file with a prompt a line: each titan goes on from them"),
  max_new_tokens: count().default(32).describe("most tokens of a continuation"),
  ...placing("gguf"),
  out: path().optional().describe("a Markdown file to write"),
  json: common.json,
};

export const compare = defineCommand({
  name: "compare",
  description: "Shows titans and training runs side by side: what was measured, and the options that differ.",
  options,
  operands: "runs",
  async run(given, io) {
    const values = complete(options, given);
    await requireFolderOf(values.out);
    const reporter = createReporter({ ...io, json: values.json });
    const found = await readComparedRuns(values.runs);
    const prompts = values.prompts === undefined ? [] : await readPrompts(values.prompts);
    try {
      const { runs, continuations } = await goOn(found, prompts, values, reporter);
      reporter.close();
      if (values.out !== undefined)
        await writeFileAtomic(values.out, comparisonMarkdown(runs, continuations));
      if (!values.json) {
        io.stdout.write(`${comparisonText(runs, continuations)}\n`);
        return;
      }
      for (const { name, path, figures, options } of runs)
        reporter.event("run", { name, path, figures, options });
      for (const { prompt, texts } of continuations) reporter.event("continuations", { prompt, texts });
      const differ = differingOptions(runs);
      reporter.done({
        runs: runs.map(({ name }) => name),
        differ,
        remarks: remarksOn(runs),
        out: values.out,
      });
    } finally {
      reporter.close();
    }
  },
});

async function readPrompts(file: string): Promise<string[]> {
  const prompts = (await readTextFile(file)).split(/\r?\n/).filter((line) => line.trim() !== "");
  if (prompts.length === 0) throw new InputError(file, "has no prompt, expected one a line");
  return prompts;
}

/** Has each titan go on from the prompts, by its most likely tokens, one titan in memory at a time. */
async function goOn(
  runs: readonly ComparedRun[],
  prompts: readonly string[],
  values: Values<typeof options>,
  reporter: Reporter,
): Promise<{ runs: readonly ComparedRun[]; continuations: readonly Continuation[] }> {
  if (prompts.length === 0) return { runs, continuations: [] };
  const { max_new_tokens: maxNewTokens } = values;
  const texts: string[][] = [];
  const measured: ComparedRun[] = [];
  for (const run of runs) {
    const hubObserver = observeHub(reporter);
    const model = await loadModel(run.path, undefined, { ...heldAs(values), hubObserver });
    const own: string[] = [];
    const paces: number[] = [];
    try {
      for (const prompt of prompts) {
        let text = "";
        const arrivals: number[] = [];
        const onToken = () => arrivals.push(performance.now());
        for await (const piece of model.stream({ prompt, maxNewTokens, onToken })) text += piece;
        own.push(text);
        paces.push(pace(arrivals) ?? Number.NaN);
        reporter.progress(texts.length * prompts.length + own.length, runs.length * prompts.length, {});
      }
    } finally {
      await model.dispose();
    }
    const known = paces.filter(Number.isFinite).sort((a, b) => a - b);
    const found = known[known.length >> 1];
    const speed = found === undefined ? {} : { "generation tokens/s": { value: found } };
    measured.push({ ...run, figures: { ...run.figures, ...speed } });
    texts.push(own);
  }
  const continuations = prompts.map((prompt, i) => ({ prompt, texts: texts.map((own) => own[i]!) }));
  return { runs: measured, continuations };
}
