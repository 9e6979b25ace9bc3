/**
 * Kills training runs (SIGKILL) at random moments: while they start, between steps, while they save, rotate and write the
 * titan. After every kill the folder must hold a sound checkpoint that is, bit for bit, the one of a run that was never
 * disturbed, and what is resumed must end as that one did.
 *
 *     npm run kills -- --kills 100 --seed 0
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Random } from "../src/random.js";
import { latestCheckpoint } from "../src/train/checkpoint-folder.js";

/** How runs are killed. */
export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** The `tptt` command: a program and its first arguments. */
  readonly command: readonly string[];
  /** Steps of a run; one that ends before it is killed is followed by another. */
  readonly steps: number;
  /** Runs at a time. */
  readonly lanes: number;
  /** Told after every kill. */
  readonly onKill?: (done: number) => void;
}

/** What was killed. */
export interface KillReport {
  readonly kills: number;
  /** Of these, while files were being written or removed. */
  readonly whileSaving: number;
  /** Resumes from a checkpoint, each compared with that of the undisturbed run. */
  readonly resumes: number;
  /** Runs that got to their end, each compared with the undisturbed one. */
  readonly finished: number;
}

/** The share of kills that come at any time after the start, loading included; the others come when steps are taken. */
const early = 0.25;
/** What a run is: dropout, evaluations, rotation, and a checkpoint so often that a kill is likely to hit it. */
const saveSteps = 2;
const options = [
  ...["--batch-size", "2", "--max-length", "32", "--lora-r", "2", "--lora-dropout", "0.1"],
  ...[
    "--eval-samples",
    "1",
    "--eval-steps",
    "7",
    "--save-steps",
    String(saveSteps),
    "--save-total-limit",
    "2",
  ],
  ...["--logging-steps", "1", "--json"],
];

/** @throws Error when anything is not as in the undisturbed run. */
export async function killRuns(kill: KillOptions): Promise<KillReport> {
  const folder = await mkdtemp(join(tmpdir(), "tptt-kills-"));
  try {
    const dataset = join(folder, "data.jsonl");
    const rows = Array.from({ length: 9 }, (_, i) => ({
      text: `${"anna figs . ".repeat((i % 4) + 1)}? bob`,
    }));
    await writeFile(dataset, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const model = fileURLToPath(new URL("../assets/tiny", import.meta.url));
    const train = [
      "train",
      "--model",
      model,
      "--dataset",
      dataset,
      "--max-steps",
      String(kill.steps),
      ...options,
    ];
    const undisturbed = await Undisturbed.run(join(folder, "undisturbed"), kill.command, train);
    const report = { kills: 0, whileSaving: 0, resumes: 0, finished: 0 };
    const share = { ...kill, train, undisturbed, report };
    await Promise.all(
      Array.from({ length: kill.lanes }, (_, lane) =>
        new Lane(join(folder, `run-${lane}`), share, lane).toEnd(),
      ),
    );
    return report;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A run that nobody killed, and what it wrote. */
class Undisturbed {
  /** The manifest of each checkpoint: the hashes of weights, optimizer and state. */
  readonly manifests: ReadonlyMap<number, string>;
  readonly titan: Titan;
  /** Milliseconds from its start to its first step, and from there to its end. */
  readonly times: readonly [starting: number, training: number];

  private constructor(
    manifests: ReadonlyMap<number, string>,
    titan: Titan,
    times: readonly [number, number],
  ) {
    this.manifests = manifests;
    this.titan = titan;
    this.times = times;
  }

  static async run(
    output: string,
    command: readonly string[],
    train: readonly string[],
  ): Promise<Undisturbed> {
    const start = performance.now();
    const child = startChild([...command, ...train, "--save-total-limit", "1000000", "--output", output]);
    await child.stepping;
    const first = performance.now();
    await child.ended;
    const manifests = new Map<number, string>();
    for (const name of await readdir(output)) {
      const [, step] = /^checkpoint-(\d+)$/.exec(name) ?? [];
      if (step) manifests.set(Number(step), await manifestOf(join(output, name)));
    }
    return new Undisturbed(manifests, await readTitan(output), [first - start, performance.now() - first]);
  }
}

interface Share extends KillOptions {
  readonly train: readonly string[];
  readonly undisturbed: Undisturbed;
  readonly report: { kills: number; whileSaving: number; resumes: number; finished: number };
}

/** Runs one after the other in one folder, each killed and resumed until it ends. */
class Lane {
  readonly #output: string;
  readonly #share: Share;
  readonly #random: Random;

  constructor(output: string, share: Share, lane: number) {
    this.#output = output;
    this.#share = share;
    this.#random = Random.for(share.seed, "kill", lane);
  }

  /** Goes on until enough were killed, and the last run has ended by itself. */
  async toEnd(): Promise<void> {
    const { report, kills, onKill } = this.#share;
    let resume = false;
    for (;;) {
      const undisturbed = report.kills >= kills;
      if (!undisturbed) report.kills++;
      const child = startChild([...this.#share.command, ...this.#arguments(resume)]);
      if (resume) report.resumes++;
      const killed = undisturbed ? false : await this.#killAtRandom(child);
      const code = await child.ended;
      if (!killed && code !== 0) throw new Error(`the run ended with ${code}: ${child.stderr()}`);
      if (killed) {
        onKill?.(report.kills);
        resume = await this.#check();
      } else {
        if (!undisturbed) report.kills--; // It was over before.
        compare("the titan", await readTitan(this.#output), this.#share.undisturbed.titan);
        report.finished++;
        if (undisturbed) return;
        resume = false;
      }
      if (!resume) await rm(this.#output, { recursive: true, force: true });
    }
  }

  #arguments(resume: boolean): readonly string[] {
    const output = ["--output", this.#output];
    return resume ? ["train", ...output, "--resume", "--json"] : [...this.#share.train, ...output];
  }

  /** @returns false when the run was over before. */
  async #killAtRandom(child: Child): Promise<boolean> {
    const [starting, training] = this.#share.undisturbed.times;
    const isEarly = this.#random.uniform() < early;
    // Else after a few steps, or a good part of them: the end of a run is to be hit too.
    const span = isEarly ? 1.2 * starting : (training * 20 * this.#random.uniform()) / this.#share.steps;
    const wait = span * this.#random.uniform();
    if (!isEarly) await Promise.race([child.stepping, child.ended]);
    await Promise.race([delay(wait), child.ended]);
    return child.kill();
  }

  /** @returns whether there is a checkpoint to go on from. */
  async #check(): Promise<boolean> {
    const { report, undisturbed } = this.#share;
    const names = await readdir(this.#output).catch((): string[] => []);
    if (names.some((name) => name.endsWith(".tmp"))) report.whileSaving++;
    const latest = await latestCheckpoint(this.#output, (_, problem) => {
      throw new Error(`a killed run left a torn checkpoint: ${problem}`);
    });
    if (latest === undefined) return false;
    const step = Number(/-(\d+)$/.exec(latest)![1]);
    compare(`the checkpoint of step ${step}`, await manifestOf(latest), undisturbed.manifests.get(step));
    return true;
  }
}

interface Child {
  /** When a step was taken. */
  readonly stepping: Promise<void>;
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number | null>;
  stderr(): string;
  /** @returns false when it had ended. */
  kill(): boolean;
}

function startChild([program, ...args]: readonly string[]): Child {
  const child: ChildProcess = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  const stepping = new Promise<void>((resolve) => {
    child.stdout!.on("data", (chunk) => {
      if (String(chunk).includes('"progress"')) resolve();
    });
    child.once("close", () => resolve());
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  return {
    stepping,
    ended,
    stderr: () => stderr,
    kill: () => child.exitCode === null && child.kill("SIGKILL"),
  };
}

/** What is compared at the end of a run: its weights, and what it measured but for the time. */
interface Titan {
  readonly weights: string;
  readonly metrics: string;
}

async function readTitan(output: string): Promise<Titan> {
  const weights = (await readFile(join(output, "adapter_model.safetensors"))).toString("base64");
  const lines = (await readFile(join(output, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  const metrics = lines.map((line) => JSON.stringify({ ...JSON.parse(line), tokens_per_second: undefined }));
  return { weights, metrics: metrics.join("\n") };
}

const manifestOf = (checkpoint: string) => readFile(join(checkpoint, "manifest.json"), "utf8");

function compare(what: string, found: unknown, expected: unknown): void {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  throw new Error(
    `${what} is not that of the undisturbed run:\n${JSON.stringify(found)}\n${JSON.stringify(expected)}`,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values } = parseArgs({
    options: { kills: { type: "string", default: "100" }, seed: { type: "string", default: "0" } },
  });
  const start = performance.now();
  const report = await killRuns({
    kills: Number(values.kills),
    seed: Number(values.seed),
    command: [process.execPath, fileURLToPath(new URL("../dist/cli/this-process.js", import.meta.url))],
    steps: 24,
    lanes: 2,
    onKill: (done) => {
      if (done % 10 === 0) console.error(`${done} of ${values.kills} killed`);
    },
  });
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(JSON.stringify({ ...report, seconds }));
  if (report.whileSaving === 0) throw new Error("no kill came while files were written: that was not tested");
}
