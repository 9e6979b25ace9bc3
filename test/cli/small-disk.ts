import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder } from "../models/fixture.js";

const main = fileURLToPath(new URL("../../src/cli/this-process.ts", import.meta.url));
const namespace = process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];

/** Whether a small disk can be made here: a tmpfs in a mount namespace of its own, which goes with its process. */
export const canMount =
  spawnSync("unshare", [...namespace, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

/**
 * Runs a shell script that mounts a disk at `$DISK`, runs the command as `$TPTT` and leaves what is to be looked at in `$OUT`.
 *
 * @returns the two folders; the disk itself is gone.
 */
export async function runOnSmallDisk(
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly disk: string; readonly out: string }> {
  const folder = await temporaryFolder();
  const [disk, out, command] = ["disk", "out", "tptt"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(disk);
  await mkdir(out);
  const node = [process.execPath, "--conditions=source", "--import", "tsx", main];
  await writeFile(command, `#!/bin/sh\nexec ${node.map((arg) => `'${arg}'`).join(" ")} "$@"\n`);
  await chmod(command, 0o755);
  await promisify(execFile)("unshare", [...namespace, "sh", "-c", script, "sh", ...args], {
    env: { ...process.env, ...environment, DISK: disk, OUT: out, TPTT: command },
  });
  return { disk, out };
}
