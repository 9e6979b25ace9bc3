import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { trainingArguments } from "../../src/train/arguments.js";
import { openMetricsSinks } from "../../src/train/open-metrics-sinks.js";
import { temporaryFolder } from "../models/fixture.js";

test("metrics are neither read nor written through links that lead out of the run's folder", async () => {
  const root = await temporaryFolder();
  const [run, outside] = [join(root, "run"), join(root, "outside")];
  await mkdir(run);
  await mkdir(outside);
  const line = '{"step":1,"loss":2}\n';
  const file = join(outside, "metrics.jsonl");
  await writeFile(file, line);
  await symlink(file, join(run, "metrics.jsonl"));
  const open = (resumedAt: number | undefined, args: object = {}) =>
    openMetricsSinks(run, trainingArguments({ report_to: "tensorboard", ...args }), resumedAt);
  const write = async (...given: Parameters<typeof open>) => {
    for (const sink of await open(...given)) {
      await sink.append({ step: 2, loss: 1 });
      await sink.close();
    }
  };
  await expect(open(1)).rejects.toThrow("metrics.jsonl: is a link that leads out of");
  await write(undefined);
  expect(await readFile(file, "utf8")).toBe(line);

  await rm(join(run, "runs"), { recursive: true });
  await symlink(outside, join(run, "runs"));
  for (const resumedAt of [undefined, 1]) {
    await expect(open(resumedAt)).rejects.toThrow("runs: is a link that leads out of");
  }
  expect(await readdir(outside)).toEqual(["metrics.jsonl"]);
  // Another place is named by an option.
  await write(1, { logging_dir: outside });
  expect(await readdir(outside)).toHaveLength(2);
});
