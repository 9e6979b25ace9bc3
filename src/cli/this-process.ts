import { interrupted } from "./command.js";
import { endWithParent } from "./malloc-settings.js";
import { run } from "./run.js";

const stops = new Set<() => void>();
function interrupt(exitCode: number): void {
  if (stops.size === 0) process.exit(exitCode);
  for (const stop of stops) stop();
  stops.clear();
}

// The first interruption is the command's to handle; the second ends the process, whatever it does. A terminal's Ctrl-C
// reaches this process and the one that started it, which passes it on: what comes within so many ms is one interruption.
const oneInterruption = 100;
let last = Number.NEGATIVE_INFINITY;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    const now = performance.now();
    if (now - last > oneInterruption) interrupt(interrupted);
    last = now;
  });
}

// The reader of a pipe has gone, as `head` does: there is nothing more to tell it.
for (const stream of [process.stdout, process.stderr]) {
  let gone = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (!gone) interrupt(0);
    gone = true;
  });
}

endWithParent();
process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onInterrupt: (stop) => {
    stops.add(stop);
    return () => stops.delete(stop);
  },
});
