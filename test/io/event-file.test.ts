import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EventFile } from "../../src/io/event-file.js";
import { temporaryFolder } from "../models/fixture.js";
import { readEvents } from "./event-records.js";

test("events are records with masked checksums, in the file as soon as they are appended", async () => {
  const folder = join(await temporaryFolder(), "a/b");
  const file = await EventFile.create(folder);
  expect(await readEvents(folder)).toEqual([
    { step: 0, version: "brain.Event:2", scalars: {}, started: false },
  ]);
  await file.appendScalars(7, [
    ["train/loss", 0.1],
    ["eval/loss", Number.NaN],
  ]);
  await file.appendStart(2 ** 40);
  expect((await readEvents(folder)).slice(1)).toEqual([
    { step: 7, scalars: { "train/loss": Math.fround(0.1), "eval/loss": Number.NaN }, started: false },
    { step: 2 ** 40, scalars: {}, started: true },
  ]);
  await file.close();
  expect(await readdir(folder)).toHaveLength(1);
});
