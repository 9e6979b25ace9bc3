import { spawn } from "node:child_process";
import { constants } from "node:os";

const tunable = "glibc.malloc.hugetlb";

/**
 * The environment in which glibc's malloc asks for pages of 2 MB. Every run of a graph allocates its tensors anew, and
 * with pages of 4 kB a sixth of a training step goes into page faults (docs/decisions/0018-large-pages.md). glibc reads this
 * when a process starts.
 *
 * @returns undefined where there is nothing to change: not Linux, or the user has set the tunable.
 */
export function largePages(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv | undefined {
  const given = env.GLIBC_TUNABLES;
  if (process.platform !== "linux" || given?.includes(tunable)) return undefined;
  return { ...env, GLIBC_TUNABLES: `${given ? `${given}:` : ""}${tunable}=1` };
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
