import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * Pages of 2 MB; and freed memory that is kept: up to 32 MB come from the heap, and of its end 256 MB are not given back. Without
 * the second glibc sets both by itself, and gives most of what a run took back to the system.
 */
const settings = {
  "glibc.malloc.hugetlb": 1,
  "glibc.malloc.mmap_threshold": 2 ** 25,
  "glibc.malloc.trim_threshold": 2 ** 28,
};

/**
 * The environment in which glibc's malloc suits graphs, every run of which allocates its tensors anew
 * (docs/decisions/0018-malloc-settings.md). glibc reads this when a process starts.
 *
 * @returns undefined where there is nothing to change: not Linux, or the user has set one of them.
 */
export function mallocSettings(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv | undefined {
  const given = env.GLIBC_TUNABLES;
  const names = Object.keys(settings);
  if (process.platform !== "linux" || names.some((name) => given?.includes(name))) return undefined;
  const tunables = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return { ...env, GLIBC_TUNABLES: [...(given ? [given] : []), ...tunables].join(":") };
}

/**
 * Runs this program again in another environment, in a process that lives and dies with this one.
 *
 * @returns its exit code, as a shell counts it.
 */
export function runAgain(env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env,
    // The channel tells the child when this process is gone.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
}

/** In the process that {@link runAgain} started: ends it as soon as the one that started it is gone. */
export function endWithParent(): void {
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.channel?.unref();
}
