import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { run } from "../../src/cli/run.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";

const special = ["<pad>", "<s>", "</s>", "<unk>"];
/** A line feed and printable ASCII: as many letters as the models have rows for. */
const letters = ["\n", ...Array.from({ length: 91 }, (_, i) => String.fromCharCode(32 + i))];
const vocabulary = [...special, ...letters];

/** A tokenizer of single letters that fits the tiny models' vocabulary. */
const tokenizerFiles = {
  "tokenizer.json": {
    version: "1.0",
    added_tokens: special.map((content, id) => ({ id, content, special: true, normalized: false })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
    },
    decoder: { type: "Fuse" },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges: [],
    },
  },
  "tokenizer_config.json": { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" },
};

/** A folder for one test with a tiny base model that reads text. */
export interface Workspace {
  readonly folder: string;
  /** The base model's folder. */
  readonly model: string;
  /** Writes a file; gives its path. */
  write(name: string, content: string): Promise<string>;
}

export async function openWorkspace(fixture = "llama-gqa"): Promise<Workspace> {
  const folder = await temporaryFolder();
  const model = join(folder, "base");
  await cp(fixtureFolder(fixture), model, { recursive: true });
  for (const [name, content] of Object.entries(tokenizerFiles)) {
    await writeFile(join(model, name), JSON.stringify(content));
  }
  return {
    folder,
    model,
    write: async (name, content) => {
      const path = join(folder, name);
      await writeFile(path, content);
      return path;
    },
  };
}

/** Ten short problems, one a line. */
export const problems = Array.from({ length: 10 }, (_, i) =>
  JSON.stringify({ instruction: `what is ${i} and ${i}?`, output: `it is ${2 * i}.` }),
).join("\n");

/** What a command gave. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The objects on stdout, with `--json`. */
  readonly events: () => Record<string, unknown>[];
}

/** Runs the command in this process; `watch` sees each piece of stdout, and may interrupt. */
export async function tptt(
  args: readonly string[],
  watch: (text: string, interrupt: () => void) => void = () => {},
  lines: readonly string[] = [],
): Promise<Outcome> {
  const texts = { stdout: "", stderr: "" };
  const stops = new Set<() => void>();
  const interrupt = () => {
    for (const stop of stops) stop();
  };
  const sink = (name: "stdout" | "stderr") =>
    new Writable({
      write: (chunk, _, done) => {
        texts[name] += chunk;
        if (name === "stdout") watch(String(chunk), interrupt);
        done();
      },
    });
  const code = await run(args, {
    stdin: Readable.from(lines.map((line) => `${line}\n`)),
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    onInterrupt: (stop) => {
      stops.add(stop);
      return () => stops.delete(stop);
    },
  });
  const events = () =>
    texts.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, ...texts, events };
}
