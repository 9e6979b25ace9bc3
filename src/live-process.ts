import { readFileSync } from "node:fs";
import { errorCode } from "./errors.js";

/**
 * Whether a process of this host lives.
 *
 * @param started when it was started, as {@link startOf} told; without it another of the same number passes for it.
 */
export function isProcessAlive(pid: number, started?: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false; // EPERM: another user's.
  }
  const now = startOf(pid);
  return started === undefined || now === undefined || now === started;
}

/** When a process was started, in clock ticks since the machine was; undefined where only Linux could tell. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses, and may hold anything; the start is the 22nd.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
