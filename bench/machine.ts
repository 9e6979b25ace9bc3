import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { WorkerProcess } from "./process.js";
import type { LimitWork } from "./work.js";
import { productGflop, readingBytes } from "./works/limit.js";

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Mean number of running processes over the minute before the run: what else was going on. */
  readonly load: number;
  readonly limits: Limits;
}

/** What the machine gives at best. */
export interface Limits {
  /** f32 products, in GFLOP/s. */
  readonly gflops: number;
  /** Reading of memory, in bytes/s. */
  readonly bytesPerSecond: number;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch}`,
    load: loadavg()[0]!,
    limits: await measureLimits({ gflops: 0, bytesPerSecond: 0 }),
  };
}

/** Measures the limits, which are no lower than `known`. Nothing makes the machine faster than it is, so the best counts. */
export async function measureLimits(known: Limits): Promise<Limits> {
  const best = async (kind: LimitWork["kind"], amount: number) => amount / (await fewestSeconds(kind));
  return {
    gflops: Math.max(known.gflops, await best("product", productGflop)),
    bytesPerSecond: Math.max(known.bytesPerSecond, await best("reading", readingBytes)),
  };
}

async function fewestSeconds(kind: LimitWork["kind"]): Promise<number> {
  const { worker } = await WorkerProcess.start({ name: kind, program: "tptt", work: { kind } }, {});
  let fewest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 40; i++) fewest = Math.min(fewest, (await worker.repeat()).seconds);
  await worker.end();
  return fewest;
}

/** How much of all cores is at work during half a second, from 0 to 1, while this process does nothing. */
export async function busyShare(): Promise<number> {
  const read = () => cpus().map(({ times: { idle, ...work } }) => ({ idle, work: sum(Object.values(work)) }));
  const before = read();
  await sleep(500);
  const after = read();
  const idle = sum(after.map((core, i) => core.idle - before[i]!.idle));
  const work = sum(after.map((core, i) => core.work - before[i]!.work));
  return work / (work + idle);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Version of the package, with the commit where there is one; a `+` marks changes that are in no commit. */
export async function packageVersion(): Promise<string> {
  const file = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(await readFile(file, "utf8")) as { version: string };
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { cwd: new URL(".", file), encoding: "utf8" }).trim();
    return `${version} (${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "src") ? "+" : ""})`;
  } catch {
    return version;
  }
}
