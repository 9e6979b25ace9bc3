import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Mean number of running processes over the minute before the run: what else was going on. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch}`,
    load: loadavg()[0]!,
  };
}

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
