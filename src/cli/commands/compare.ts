import { resolve } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { columns } from "../columns.js";
import { defineCommand } from "../command.js";
import { common, count, quantizeOption } from "../common-options.js";
import {
  type ComparedRow,
  cellText,
  comparisonMarkdown,
  differingRows,
  figureRows,
  readComparedRuns,
} from "../comparison.js";
import { observeHub } from "../hub-names.js";
import { loadModel } from "../load-model.js";
import { complete, path, paths, repeated } from "../options.js";
import { createReporter, type Reporter } from "../reporter.js";
import { distinctNames } from "../run-metrics.js";

const options = {
  runs: paths().describe("folders of training runs"),
  prompts: repeated(z.string().min(1, "expected a text"))
    .optional()
    .describe("a text that each run goes on from, by its most likely tokens; may be given several times"),
  max_new_tokens: count().default(32).describe("most new tokens of a prompt"),
  quantize: quantizeOption("gguf"),
  device: common.device,
  out: path().optional().describe("a Markdown file that gets the tables"),
  json: common.json,
};

export const compare = defineCommand({
  name: "compare",
  description: "Shows training runs side by side: figures, evaluations, options, the same prompts.",
  options,
  operands: "runs",
  async run(given, io) {
    const values = complete(options, given);
    const names = distinctNames(values.runs.map((folder) => resolve(folder)));
    const runs = await readComparedRuns(values.runs, names);
    const reporter = createReporter({ ...io, json: values.json });
    try {
      const texts: string[][] = [];
      for (const { folder } of values.prompts ? runs : [])
        texts.push(await continuations(folder, values, reporter));
      const tables = {
        measured: figureRows(runs),
        option: differingRows(runs),
        prompt: (values.prompts ?? []).map((name, i) => ({ name, cells: texts.map((of) => of[i]!) })),
      };
      if (values.out !== undefined) await writeFileAtomic(values.out, comparisonMarkdown(names, tables));
      if (!values.json) io.stdout.write(`${tablesText(names, tables)}\n`);
      reporter.done({ ...(values.json ? { runs: names, ...tables } : {}), out: values.out });
    } finally {
      reporter.close();
    }
  },
});

/** What a run makes of each prompt. */
async function continuations(
  folder: string,
  { prompts = [], max_new_tokens, quantize, device }: ReturnType<typeof complete<typeof options>>,
  reporter: Reporter,
): Promise<string[]> {
  const model = await loadModel(folder, undefined, { quantize, device, hubObserver: observeHub(reporter) });
  try {
    const texts: string[] = [];
    for (const prompt of prompts) {
      let text = "";
      for await (const piece of model.stream({ prompt, maxNewTokens: max_new_tokens })) text += piece;
      texts.push(text);
    }
    return texts;
  } finally {
    await model.dispose();
  }
}

function tablesText(
  names: readonly string[],
  { measured, option, prompt }: Readonly<Record<"measured" | "option" | "prompt", readonly ComparedRow[]>>,
): string {
  const table = (title: string, rows: readonly ComparedRow[]) =>
    rows.length === 0
      ? []
      : [columns([[title, ...names], ...rows.map(({ name, cells }) => [name, ...cells.map(cellText)])])];
  // Texts are too long for columns.
  const texts = prompt.map(({ name, cells }) =>
    [`  ${name}`, ...cells.map((text, i) => `    ${names[i]}: ${text}`)].join("\n"),
  );
  return [...table("measured", measured), ...table("option", option), ...texts].join("\n\n");
}
