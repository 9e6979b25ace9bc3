import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exists, isFile, isFolder } from "../../src/io/path-kind.js";
import { temporaryFolder } from "../models/fixture.js";

test("a path is a folder, a file, or nothing", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "file");
  await writeFile(file, "");
  const kinds = async (path: string) => [await exists(path), await isFolder(path), await isFile(path)];
  expect(await kinds(folder)).toEqual([true, true, false]);
  expect(await kinds(file)).toEqual([true, false, true]);
  expect(await kinds(join(folder, "nothing"))).toEqual([false, false, false]);
  expect(await kinds(join(file, "inside"))).toEqual([false, false, false]);
});
