import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TensorBoardFile } from "../../src/train/tensorboard-file.js";
import { readEvents } from "../io/event-records.js";
import { temporaryFolder } from "../models/fixture.js";

test("metrics have the tags of Hugging Face's Trainer; a run that goes on says from where", async () => {
  const folder = await temporaryFolder();
  const first = new TensorBoardFile(folder, undefined);
  await first.append({ step: 0, eval_loss: 3 });
  await first.append({ step: 1, loss: 2, disable_linear_attn: true, note: "no number" });
  await first.close();
  const second = new TensorBoardFile(folder, 1);
  await second.append({ step: 2, loss: 1 });
  await second.close();
  const started = { step: 0, version: "brain.Event:2", scalars: {}, started: false };
  expect(await readEvents(folder)).toEqual([
    started,
    { step: 0, scalars: { "eval/loss": 3 }, started: false },
    { step: 1, scalars: { "train/loss": 2, "train/disable_linear_attn": 1 }, started: false },
    started,
    { step: 2, scalars: {}, started: true },
    { step: 2, scalars: { "train/loss": 1 }, started: false },
  ]);
});

test("a run that measures nothing leaves no file", async () => {
  const folder = await temporaryFolder();
  const file = new TensorBoardFile(join(folder, "runs"), 3);
  await file.close();
  expect(await readdir(folder)).toEqual([]);
});

test("a folder that cannot be made is named", async () => {
  const path = join(await temporaryFolder(), "file");
  await writeFile(path, "");
  await expect(
    new TensorBoardFile(join(path, "runs"), undefined).append({ step: 1, loss: 1 }),
  ).rejects.toThrow(`${path}/runs: cannot be written: a file is in the place of its folder; check the path`);
});
