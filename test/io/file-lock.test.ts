import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { describeHolder, FileLock, type LockHolder } from "../../src/io/file-lock.js";
import { startOf } from "../../src/live-process.js";
import { temporaryFolder } from "../models/fixture.js";

const since = "2026-01-31T12:00:00.000Z";
const source = fileURLToPath(new URL("../../src/io/file-lock.ts", import.meta.url));

/** A process that runs a piece of code, given the path of a lock; its standard output in lines. */
function run(code: string, path: string): ChildProcess & { readonly lines: string[] } {
  const program = `import { FileLock } from ${JSON.stringify(source)}; const path = ${JSON.stringify(path)}; ${code}`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const lines: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.trimEnd().split("\n")));
  return Object.assign(child, { lines });
}

/** A process that has lived. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["--eval", ""]);
  await once(child, "close");
  return child.pid!;
}

async function lockFile(text: string): Promise<string> {
  const path = join(await temporaryFolder(), "lock");
  await writeFile(path, text);
  return path;
}

const heldBy = (holder: Partial<LockHolder>) =>
  lockFile(JSON.stringify({ pid: process.pid, host: hostname(), since, ...holder }));

test("one holds it at a time; its file says who, and is gone when it is given back", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "lock");
  const lock = await FileLock.tryAcquire(path);
  expect(lock).toBeInstanceOf(FileLock);
  const holder = JSON.parse(await readFile(path, "utf8")) as LockHolder;
  expect(holder).toEqual({
    pid: process.pid,
    host: hostname(),
    since: expect.any(String),
    started: startOf(process.pid),
  });
  expect(await FileLock.tryAcquire(path)).toEqual(holder);
  expect(describeHolder(holder)).toBe(`process ${process.pid} on host ${hostname()}, since ${holder.since}`);
  (lock as FileLock).release();
  expect(await readdir(folder)).toEqual([]);
  const next = await FileLock.acquire(path);
  (lock as FileLock).release();
  expect(await readdir(folder)).toEqual(["lock"]);
  next.release();
});

test("who waits is told for whom, has it when it is given back, and may give up", async () => {
  const path = join(await temporaryFolder(), "lock");
  const first = await FileLock.acquire(path);
  const stop = new AbortController();
  const waitedFor: LockHolder[] = [];
  const giveUp = FileLock.acquire(path, {
    signal: stop.signal,
    onWait: () => stop.abort(new Error("enough")),
  });
  await expect(giveUp).rejects.toThrow();
  const second = FileLock.acquire(path, {
    onWait: (holder) => {
      waitedFor.push(holder);
      first.release();
    },
  });
  (await second).release();
  expect(waitedFor.map(({ pid }) => pid)).toEqual([process.pid]);
});

test("a process that was killed leaves a lock that the next takes over", async () => {
  const path = join(await temporaryFolder(), "lock");
  const child = run("await FileLock.acquire(path); console.log('held'); setInterval(() => {}, 1000);", path);
  await once(child.stdout!, "data");
  expect(await FileLock.tryAcquire(path)).toMatchObject({ pid: child.pid, host: hostname() });
  child.kill("SIGKILL");
  await once(child, "close");
  const lock = await FileLock.acquire(path, { onWait: () => expect.unreachable() });
  expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ pid: process.pid });
  lock.release();
});

test.runIf(process.platform === "linux")("a later process of the same number does not hold it", async () => {
  const path = await heldBy({ started: "1" });
  expect(await FileLock.tryAcquire(path)).toBeInstanceOf(FileLock);
});

test.runIf(process.platform === "linux")(
  "a process that has ended does not hold it, though nobody has asked how it ended",
  async () => {
    // The shell becomes a program that never asks.
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => {
      parent.kill("SIGKILL");
    });
    const [told] = await once(parent.stdout, "data");
    const pid = Number(String(told));
    const stat = () => readFile(`/proc/${pid}/stat`, "utf8");
    while (!(await stat()).includes(") Z ")) await new Promise((resolve) => setTimeout(resolve, 10));
    const path = await heldBy({ pid, started: startOf(pid) });
    expect(await FileLock.tryAcquire(path)).toBeInstanceOf(FileLock);
  },
);

test("a lock of another host stays, for nobody here can tell whether it is held", async () => {
  const path = await heldBy({ pid: await deadPid(), host: "elsewhere" });
  expect(await FileLock.tryAcquire(path)).toMatchObject({ host: "elsewhere" });
});

test.each(["", '{"pid": 1', '{"pid": "x"}'])(
  "a lock that was not finished (%j) is taken over",
  async (text) => {
    const path = await lockFile(text);
    await utimes(path, 0, 0);
    expect(await FileLock.tryAcquire(path)).toBeInstanceOf(FileLock);
  },
);

test("a process that was killed while it took a lock over does not block it", async () => {
  const path = await heldBy({ pid: await deadPid() });
  await writeFile(`${path}.takeover`, "");
  await utimes(`${path}.takeover`, 0, 0);
  expect(await FileLock.tryAcquire(path)).toBeInstanceOf(FileLock);
});

test("of many that see a dead holder at once one has it at a time", async () => {
  const path = await heldBy({ pid: await deadPid() });
  const log = `${path}.log`;
  // Each appends to a file when it has the lock and before it gives it back: never between the two lines of another.
  const code = `
    import { appendFileSync } from "node:fs";
    for (let i = 0; i < 20; i++) {
      const lock = await FileLock.acquire(path);
      appendFileSync(${JSON.stringify(log)}, "+" + process.pid + "\\n");
      await new Promise((resolve) => setImmediate(resolve));
      appendFileSync(${JSON.stringify(log)}, "-" + process.pid + "\\n");
      lock.release();
    }`;
  const children = Array.from({ length: 4 }, () => run(code, path));
  const codes = await Promise.all(children.map((child) => once(child, "close")));
  expect(codes.map(([code]) => code)).toEqual([0, 0, 0, 0]);
  const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
  expect(lines).toHaveLength(160);
  for (let i = 0; i < lines.length; i += 2) {
    expect([lines[i]![0], lines[i + 1]]).toEqual(["+", `-${lines[i]!.slice(1)}`]);
  }
});
