import { mkdir, readdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockRun, runLockFile } from "../../src/train/run-lock.js";
import { temporaryFolder } from "../models/fixture.js";
import { titan, trainer } from "./setup.js";

test("two runs cannot write one folder", async () => {
  const outputDir = join(await temporaryFolder(), "a", "b");
  const { lock, made } = await lockRun(outputDir);
  expect(made).toBe(join(outputDir, ".."));
  const second = trainer(await titan(), { outputDir });
  await expect(second.train()).rejects.toThrow(
    `${outputDir}: is being written by another run (process ${process.pid} on host ${hostname()}, since `,
  );
  expect(await readdir(outputDir)).toEqual([runLockFile]);
  await trainer(await titan(), { outputDir, outputLock: lock, fields: { max_steps: 1 } }).train();
  expect(await readdir(outputDir)).toContain(runLockFile);
  lock.release();
  await trainer(await titan(), { outputDir, fields: { max_steps: 1 } }).train();
  expect(await readdir(outputDir)).toEqual(["metrics.jsonl", "train_results.json"]);
});

test("the lock of a run on another host names the file to delete when that run is gone", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, runLockFile);
  await writeFile(path, JSON.stringify({ pid: 1, host: "elsewhere", since: "2026-01-31T12:00:00.000Z" }));
  await expect(lockRun(folder)).rejects.toThrow(
    `${folder}: is being written by another run (process 1 on host elsewhere, since 2026-01-31T12:00:00.000Z); wait for its end, or give another folder; if that process is gone, delete ${path}`,
  );
});

test("what a killed run was writing is cleared away", async () => {
  const folder = await temporaryFolder();
  for (const name of [".checkpoint-6.0123456789ab.tmp", ".checkpoint-4.old.tmp", "checkpoint-2"]) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "weights"), name);
  }
  await writeFile(join(folder, ".train.yaml.0123456789ab.tmp"), "");
  const { lock } = await lockRun(folder);
  lock.release();
  expect((await readdir(folder)).sort()).toEqual(["checkpoint-2", "checkpoint-4"]);
});
