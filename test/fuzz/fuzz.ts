import { fork } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Failure, type Job, type Message, type Place, placeFile, type Tally } from "./protocol.js";

/** What is to be read. */
export interface FuzzOptions {
  /** The module that exports `readers`; those of the program unless given. */
  readonly module?: string;
  readonly readers: readonly string[];
  /** Of the first case; the ones after have the ones after it. */
  readonly seed: number;
  /** Changed files for each reader. */
  readonly count: number;
  readonly processes: number;
  /** The folder for files that fail. */
  readonly keep: string;
  /** Told of every failure at once. */
  readonly onFailure?: (failure: Failure, kept: string) => void;
}

/** Milliseconds after which a process that is still at the same file is ended: no reading takes a second of its own. */
const patience = 30_000;

const root = fileURLToPath(new URL("../../", import.meta.url));
const programs = fileURLToPath(new URL("readers/index.ts", import.meta.url));
const worker = fileURLToPath(new URL("worker.ts", import.meta.url));

/** Small heaps: what takes more than a file is worth ends the process. */
const flags = [
  "--conditions=source",
  "--import",
  "tsx",
  "--max-old-space-size=256",
  "--max-semi-space-size=4",
];

/**
 * Changes sound files at random and reads them, in processes of their own. The same seed gives the same files, however
 * many processes there are.
 */
export async function fuzz(
  options: FuzzOptions,
): Promise<{ failures: readonly Failure[]; tallies: ReadonlyMap<string, Tally> }> {
  const failures: Failure[] = [];
  const tallies = new Map<string, Tally>();
  const fail = async (failure: Failure, path: string) => {
    failures.push(failure);
    await mkdir(options.keep, { recursive: true });
    const kept = join(options.keep, `${failure.reader}-${failure.seed}-${failure.file}`);
    await copyFile(path, kept);
    options.onFailure?.(failure, kept);
  };
  const folder = await mkdtemp(join(tmpdir(), "tptt-fuzz-"));
  try {
    const ends = await Promise.allSettled(
      Array.from({ length: options.processes }, (_, i) =>
        runAll(options, i, join(folder, String(i)), fail, (name, seen) =>
          tallies.set(name, added(tallies.get(name), seen)),
        ),
      ),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { failures, tallies };
}

const added = (a: Tally | undefined, b: Tally): Tally => ({
  files: (a?.files ?? 0) + b.files,
  refused: (a?.refused ?? 0) + b.refused,
  slowest: Math.max(a?.slowest ?? 0, b.slowest),
  largest: Math.max(a?.largest ?? 0, b.largest),
});

/** Does the cases of one process, in another one after each that ends before its time. */
async function runAll(
  { module = programs, readers, seed, count, processes }: FuzzOptions,
  index: number,
  folder: string,
  fail: (failure: Failure, path: string) => Promise<void>,
  tally: (reader: string, tally: Tally) => void,
): Promise<void> {
  let [first, done] = [index, 0];
  for (let attempt = 0; first < count; attempt++) {
    const root = join(folder, String(attempt));
    await mkdir(root, { recursive: true });
    const job: Job = { module, readers, seed, count, first, stride: processes, done, root };
    const end = await runProcess(job, async (message) => {
      if (message.type === "failure") await fail(message.failure, message.path);
      else if (message.type === "tally") tally(message.reader, message.tally);
    });
    if (end === undefined) return;
    const place: Place | undefined = await readPlace(root);
    if (!place) throw new Error(`The fuzzer's process does not start: ${end}`);
    const reader = readers[place.reader]!;
    const file = place.path.split("/").at(-1)!;
    await fail({ reader, seed: seed + place.case, file, problem: end }, place.path);
    [first, done] = [place.case, place.reader + 1];
  }
}

const readPlace = (root: string): Promise<Place | undefined> =>
  readFile(join(root, placeFile), "utf8").then(
    (text) => JSON.parse(text),
    () => undefined,
  );

/** @returns why the process ended before it was done; undefined when it was. */
async function runProcess(
  job: Job,
  onMessage: (message: Message) => Promise<void>,
): Promise<string | undefined> {
  const child = fork(worker, [JSON.stringify(job)], {
    cwd: root,
    execArgv: flags,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let told = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    told = (told + chunk).slice(-4000);
  });
  let finished = false;
  const handled: Promise<void>[] = [];
  child.on("message", (message: Message) => {
    if (message.type === "done") finished = true;
    handled.push(onMessage(message));
  });
  let stuck = false;
  const watch = setInterval(async () => {
    const changed = await stat(join(job.root, placeFile)).catch(() => undefined);
    if (!changed || Date.now() - changed.mtimeMs < patience) return;
    stuck = true;
    child.kill("SIGKILL");
  }, 1000);
  try {
    const code = await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve(signal ?? code));
    });
    await Promise.all(handled);
    if (finished) return undefined;
    return stuck ? `does not end (${patience / 1000} s)` : `ends the process (${code}): ${told}`;
  } finally {
    clearInterval(watch);
  }
}
