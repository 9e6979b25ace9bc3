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
  const fields = statOf(pid);
  if (fields === undefined) return true;
  return !isZombie(fields) && (started === undefined || fields[startField] === started);
}

/** When a process was started, in clock ticks since the machine was; undefined where only Linux could tell. */
export const startOf = (pid: number): string | undefined => statOf(pid)?.[startField];

/** Places among the fields of {@link statOf}. */
const [stateField, threadsField, startField] = [0, 17, 19];

/**
 * Whether a process has ended, and is only there until the one that started it asks how. In a container that may be never, when
 * it was killed together with its parent. One with more threads is about to end.
 */
const isZombie = (fields: readonly string[]): boolean =>
  fields[stateField] === "Z" && Number(fields[threadsField]) <= 1;

/** What Linux tells of a process in `/proc/PID/stat`, from the third field on. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses, and may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
